"""The gate: asks the judge about one training, and says yes or no as a `ModelBlessing`."""
