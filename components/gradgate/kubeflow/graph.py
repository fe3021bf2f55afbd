"""What a package for Kubeflow needs to know of a TFX pipeline. Needs neither TFX nor TensorFlow."""

import hashlib
import json
from typing import Literal

from pydantic import Field

from gradgate.contracts import Contract

Value = str | int | float | bool

# Parameters that every package has besides the pipeline's own.
RUN_ID, JOB_ID, METADATA = "run_id", "job_id", "metadata"
# What a gate's step gives out.
REPORT, SUMMARY, METRICS, DECISION = "report", "summary", "metrics", "decision"


class Parameter(Contract):
    """A parameter that a run can be given.

    Attributes:
        default: None where a run must be given one.
        description: For the form in Kubeflow's UI.
    """

    name: str
    kind: Literal["str", "int", "float", "bool"]
    default: Value | None = None
    description: str = ""


class Node(Contract):
    """A node, which becomes a step.

    Attributes:
        id: TFX's id, such as `Trainer`.
        type: The component, such as `gradgate.tfx.trainer.component.Trainer`.
        upstream: The nodes that it waits for.
        verdict: Output key of its verdict, if it is a gate.
    """

    id: str
    type: str
    upstream: tuple[str, ...] = ()
    verdict: str | None = None


class Graph(Contract):
    """A pipeline's nodes, and the parameters of the function that makes it.

    Attributes:
        name: Of the pipeline.
        factory: `module:function` that returns the pipeline; each step calls it.
        nodes: Each after all that it waits for.
    """

    name: str = Field(min_length=1)
    factory: str
    parameters: tuple[Parameter, ...]
    nodes: tuple[Node, ...] = Field(min_length=1)

    @property
    def digest(self) -> str:
        """SHA-256 of the nodes: a step checks that its image still makes this pipeline."""
        nodes = [node.model_dump(mode="json") for node in self.nodes]
        text = json.dumps([self.name, nodes], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
