"""The edges in a TFX pipeline: Trainer, GradientGate, VerifyingPusher, and their artifact types.

Each is thin: it unpacks artifacts, calls a room that knows nothing of TFX, and writes.
"""
