"""Which of several processes a Trainer is, by TF_CONFIG, before any strategy is made."""

import json
import os
from collections.abc import Mapping

_LEADERS = ("chief", "master")  # the second is the old name of the first


def is_chief(environment: Mapping[str, str] = os.environ) -> bool:
    """Says whether this process keeps the outputs: the chief, else worker 0; a lone one always.

    Raises:
        ValueError: If TF_CONFIG is no JSON object.
    """
    text = environment.get("TF_CONFIG", "").strip()
    if not text:
        return True
    try:
        config = json.loads(text)
        task, cluster = config.get("task") or {}, config.get("cluster") or {}
        job, number = task.get("type"), int(task.get("index") or 0)
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"Trainer: TF_CONFIG is not as TensorFlow has it ({error}). It is set by Kubeflow's"
            " training operator; to train in one process, unset it."
        ) from error
    if job is None:
        return True
    leads = next((leader for leader in _LEADERS if leader in cluster), None)
    return job in _LEADERS if leads else (job, number) == ("worker", 0)
