"""The user code of each example: `preprocessing_fn` and `run_fn`, as in any TFX pipeline."""
