"""The effectful edge: reads the verdict, and raises if it blocks."""

import logging
import shlex
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types.artifact import Artifact

from gradgate.contracts import Verdict
from gradgate.gate.read_verdict import VerdictError, read_verdict
from gradgate.gate.render import view
from gradgate.gate.render.clean import clean, clean_text

_Artifacts = dict[str, list[Artifact]]
_log = logging.getLogger(__name__)
_ON_PURPOSE = (
    "The run is red on purpose: FailIfBlocked is its last node. Verdict, report and blessing were"
    " written before and stay."
)


class BlockedError(Exception):
    """Why a run is red; the message is for people."""


class Executor(base_executor.BaseExecutor):
    """Fails where the model of this run was blocked."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: _Artifacts,
        output_dict: _Artifacts,  # noqa: ARG002 - nothing comes out
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes nothing; raises only if `enabled`, else says what it would have raised.

        Raises:
            BlockedError: If the gate blocked the model, or blessed it and the Pusher did not push
                it; or if there is no verdict to go by.
        """
        try:
            _require_unblocked(input_dict)
        except BlockedError as error:
            if exec_properties.get("enabled", 1):
                raise
            _log.warning("gradgate: the run stays green, as asked, though: %s", error)


def _require_unblocked(input_dict: _Artifacts) -> None:
    verdicts = input_dict.get("verdict", [])
    if len(verdicts) != 1:
        raise BlockedError(f"the one verdict of this run is needed, got {len(verdicts)}.")
    uri = verdicts[0].uri
    try:
        verdict = clean(read_verdict(uri))
    except VerdictError as error:
        raise BlockedError(f"there is no verdict to go by: {error}") from error
    if verdict.decision == "block":
        raise BlockedError(_blocked(verdict, uri))
    if verdict.blessed:
        for pushed in input_dict.get("pushed_model", []):
            _require_pushed(pushed, verdict)
    _log.info("gradgate: the run stays green: %s", verdict.headline)


def _blocked(verdict: Verdict, uri: str) -> str:
    lines = [verdict.headline]
    offended = next((f for f in verdict.findings if f.level == "block" and view.where(f)), None)
    if offended is not None:
        lines.append(f"First offence: {offended.id}, {view.where(offended)}")
    lines.append(f"Why, and what to change: gradgate explain {shlex.quote(uri)}")
    return "\n".join([*lines, _ON_PURPOSE])


def _require_pushed(pushed: Artifact, verdict: Verdict) -> None:
    if pushed.get_int_custom_property("pushed") == 1:
        return
    reason = clean_text(pushed.get_string_custom_property("reason")) or "the Pusher gave no reason"
    message = f"the gate blessed this model, and it was not pushed: {reason}"
    raise BlockedError(f"{message}\nThe verdict: {verdict.headline}\n{_ON_PURPOSE}")
