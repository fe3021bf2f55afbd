"""A gate's verdict as Kubeflow's UI shows it: a page, a summary, numbers to compare, a decision."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradgate.contracts import Verdict
from gradgate.kubeflow.graph import DECISION, METRICS, REPORT, SUMMARY

_log = logging.getLogger(__name__)


def publish(verdict: str, outputs: Mapping[str, Any]) -> None:
    """Writes what a step gives out, where Kubeflow wants it.

    Args:
        verdict: Directory of the verdict, on any file system that TFX reads.
        outputs: Of Kubeflow's executor input; what is missing there is not written.
    """
    from tfx.dsl.io import fileio

    def read(name: str) -> bytes:
        with fileio.open(f"{verdict}/{name}", "rb") as file:
            return bytes(file.read())

    judged = Verdict.model_validate_json(read("verdict.json"))
    artifacts = outputs.get("artifacts", {})
    for output, name in ((REPORT, "report.html"), (SUMMARY, "report.md")):
        if (path := local_path(artifacts, output)) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_shown(read, name))
    if (file := outputs.get("parameters", {}).get(DECISION, {}).get("outputFile")) is not None:
        _write(Path(file), judged.decision)
    if METRICS in artifacts and "outputFile" in outputs:
        _describe(artifacts[METRICS]["artifacts"][0], numbers(judged), Path(outputs["outputFile"]))
        if (path := local_path(artifacts, METRICS)) is not None:
            _write(path, json.dumps(numbers(judged), indent=2, sort_keys=True))


def numbers(verdict: Verdict) -> dict[str, float]:
    """Returns what the UI compares runs by; the step of the first offence if there is one."""
    offences = [finding.first_offence for finding in verdict.findings if finding.first_offence]
    counted = {
        f"rules_{status}": float(sum(finding.status == status for finding in verdict.findings))
        for status in ("pass", "fail", "unknown", "error", "waived")
    }
    steps = [offence.step for offence in offences if offence.step is not None]
    return {
        "blessed": float(verdict.blessed),
        "healthy": float(verdict.healthy),
        **counted,
        **({"first_offence_step": float(min(steps))} if steps else {}),
    }


def local_path(artifacts: Mapping[str, Any], name: str) -> Path | None:
    """Returns where Kubeflow's launcher looks for an output artifact in the container."""
    if name not in artifacts:
        return None
    (artifact,) = artifacts[name]["artifacts"]
    if "customPath" in artifact:
        return Path(artifact["customPath"])
    scheme, _, rest = artifact["uri"].partition("://")
    mounts = {"gs": "/gcs", "s3": "/s3", "minio": "/minio", "oci": "/oci"}
    return Path(f"{mounts[scheme]}/{rest}") if rest and scheme in mounts else Path(artifact["uri"])


def _shown(read: Any, name: str) -> bytes:
    try:
        return bytes(read(name))
    except Exception as error:  # noqa: BLE001 - the verdict stands without its page
        _log.warning("gradgate: %s cannot be shown: %s", name, error)
        return f"{name} cannot be shown: {error}\n".encode()


def _describe(artifact: Mapping[str, Any], found: Mapping[str, float], output: Path) -> None:
    described = {**artifact, "metadata": {**artifact.get("metadata", {}), **found}}
    _write(output, json.dumps({"artifacts": {METRICS: {"artifacts": [described]}}}))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
