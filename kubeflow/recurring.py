"""Creates or updates the recurring run of a compiled package on Kubeflow Pipelines 2.x.

python kubeflow/recurring.py chicago-taxi.yaml --cron '0 0 4 * * *' --host http://localhost:8080
"""

import sys
from pathlib import Path

# From a checkout this folder must not be searched: it would hide Kubeflow's own packages.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from gradgate.kubeflow.keep_recurring import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
