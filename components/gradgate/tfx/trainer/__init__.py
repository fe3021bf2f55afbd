"""The Trainer: TFX's own contract, with the training watched and its record kept."""
