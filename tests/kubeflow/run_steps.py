"""Runs all steps of a run in one process, in order, each as its container would.

python run_steps.py METADATA RUN ROOT [NAME=VALUE ...]
"""

import json
import sys
from pathlib import Path

FACTORY = "tests.kubeflow.tiny_pipeline:create"


def executor_input(node, places, **values):
    """What Kubeflow's launcher gives a step."""
    outputs = {"outputFile": str(places / "executor_output.json")}
    if node.verdict is not None:
        outputs["artifacts"] = {
            name: {"artifacts": [{"name": name, "uri": str(places / name)}]}
            for name in ("report", "summary", "metrics")
        }
        outputs["parameters"] = {"decision": {"outputFile": str(places / "decision")}}
    return {"inputs": {"parameterValues": values}, "outputs": outputs}


def run_all(metadata, run, root, **values):
    """Returns what became of each node."""
    from gradgate.kubeflow.read_graph import read_graph
    from gradgate.kubeflow.step import run_step

    graph = read_graph(FACTORY, {"root": str(root)})
    given = {"metadata": metadata, "job_id": run, "run_id": "", "root": str(root), **values}
    return {
        node.id: run_step(
            FACTORY,
            node.id,
            graph.digest,
            executor_input(node, Path(root, "kfp", run, node.id), **given),
        )
        for node in graph.nodes
    }


if __name__ == "__main__":
    address, name, folder, *pairs = sys.argv[1:]
    became = run_all(address, name, folder, **dict(pair.split("=", 1) for pair in pairs))
    sys.stdout.write(json.dumps(became) + "\n")
