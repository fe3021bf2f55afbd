"""One verdict on a training of several optimizers, such as a GAN: every rule asked of each.

Each optimizer has a record of its own; the manifest of the first names the others. A rule's
finding is that of the optimizer that came off worst, and says which it was.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from gradgate.contracts import IntegrityCheck, Rule
from gradgate.gate.asking import Answered
from gradgate.gate.compare import badness
from gradgate.gate.evidence import Evidence
from gradgate.gate.signals import CATALOGUE, per_layer
from gradgate.gate.verdicts import weight


def check_optimizers(evidence: Evidence) -> tuple[IntegrityCheck, ...]:
    """Returns the check that the records of all optimizers are there, and these very ones.

    There is nothing to check where the training had one optimizer and says so.
    """
    named = [(record.name, record.sha256) for record in evidence.manifest.optimizers]
    found = [(name, further.record_digest) for name, further in evidence.optimizers]
    if not named and not found:
        return ()
    problem = ""
    if [name for name, _ in named] != [name for name, _ in found]:
        problem = (
            f"the manifest names the further optimizers {_listed(named)}, and there are records of"
            f" {_listed(found)}"
        )
    elif named != found:
        wrong = next(want[0] for want, got in zip(named, found, strict=True) if want != got)
        problem = f"the record of optimizer {wrong} is not the one that the manifest names"
    elif len({name for name, _ in evidence.each()}) <= len(found):
        problem = f"two optimizers have the same name, among {_listed(found)}"
    elif any(further.manifest.optimizers for _, further in evidence.optimizers):
        problem = "the record of a further optimizer names optimizers of its own"
    if problem:
        return (IntegrityCheck(code="T-OPTIMIZERS", status="fail", message=problem),)
    return (IntegrityCheck(code="T-OPTIMIZERS", status="pass"),)


def checks_of(name: str, checks: Sequence[IntegrityCheck]) -> tuple[IntegrityCheck, ...]:
    """Returns checks whose messages say which optimizer they are about; no name where it is alone.

    Args:
        name: Of the optimizer; empty where it is alone.
        checks: Of its record.
    """
    if not name:
        return tuple(checks)
    return tuple(
        check.model_copy(update={"message": f"{name}: {check.message}"}) if check.message else check
        for check in checks
    )


def answer_of(name: str, answer: Answered) -> Answered:
    """Returns an answer that says which optimizer it is about.

    What was recomputed from the exported model, and the activations, are about none.
    """
    finding = answer.finding
    if not name or finding.evidence == "recomputed" or _is_of_layers(finding.signal):
        return answer
    is_judged = finding.observed.value is not None
    named = {"optimizer": name}
    offence = finding.first_offence
    finding = finding.model_copy(
        update={
            "message": f"{name}: {finding.message}",
            "observed": finding.observed.model_copy(update=named if is_judged else {}),
            "worst": tuple(seen.model_copy(update=named) for seen in finding.worst),
            "first_offence": offence and offence.model_copy(update=named),
        }
    )
    return dataclasses.replace(answer, finding=finding, phrase=f"{name}: {answer.phrase}")


def worst_of(rule: Rule, answers: Sequence[Answered]) -> Answered:
    """Returns the answer that weighs most; among equals the worst number, then the first.

    The activations are those of the whole model, and stand in the record of the first optimizer.
    """
    if _is_of_layers(rule.signal):
        return answers[0]

    def place(answer: Answered) -> tuple[int, int, float]:
        seen = answer.finding.observed
        value = seen.value if seen.compared is None else seen.compared
        distance = 0.0 if value is None else float(badness(rule.expect, np.array([value]))[0])
        return (*weight(answer.finding), -distance)

    return min(answers, key=place)


def _is_of_layers(name: str) -> bool:
    signal = CATALOGUE.get(name)
    return signal is not None and per_layer(signal)


def _listed(records: Sequence[tuple[str, str]]) -> str:
    return ", ".join(name for name, _ in records) or "none"
