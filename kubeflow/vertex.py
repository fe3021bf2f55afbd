"""Compiles the pipeline for Vertex AI Pipelines, by TFX's own runner.

    python kubeflow/vertex.py --output vertex.yaml --root gs://rides/gradgate ...

Every place is in a bucket; --help says which there are.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# From a checkout: the application is beside this folder, and this folder must not be searched.
sys.path[0] = str(HERE.parent)

from gradgate.kubeflow.compile_vertex import main  # noqa: E402
from pipeline.on_vertex import ERRORS, create  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(settings=HERE / "vertex.yaml", create=create, errors=ERRORS))
