"""Runs a compiled package by `kfp.local`, each step in a container.

python run_package.py PACKAGE FOLDER JSON
"""

import json
import sys
from pathlib import Path

from kfp import components, local

if __name__ == "__main__":
    package, folder, parameters = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    local.init(
        pipeline_root=f"{folder}/steps",
        raise_on_error=True,
        runner=local.DockerRunner(
            network_mode="host",
            read_only=True,
            tmpfs={"/tmp": "size=4g,mode=1777"},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mounts=[{"Type": "bind", "Source": f"{folder}/place", "Target": f"{folder}/place"}],
        ),
    )
    components.load_component_from_file(str(package))(**parameters)
