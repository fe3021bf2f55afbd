"""The same pipeline on Kubeflow Pipelines: each node a container that runs TFX's own launcher."""
