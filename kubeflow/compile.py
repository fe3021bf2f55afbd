"""Compiles the pipeline to a package for Kubeflow Pipelines 2.x.

    python kubeflow/compile.py --output chicago-taxi.yaml

Its graph is read by a process of its own, which imports TFX; this one needs only the KFP SDK.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# From a checkout: the application is beside this folder, and this folder must not be searched.
sys.path[0] = str(HERE.parent)

from gradgate.kubeflow.compile import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(settings=HERE / "settings.yaml", factory="pipeline.on_kubeflow:create"))
