"""The record on its way out: batches of steps in, a crash-safe directory and mirrors out.

Nothing here imports TensorFlow, except the TensorBoard sink in its own file.
"""
