"""The retraining loop: reconcile, remediate within bounds, notify. Not built yet."""
