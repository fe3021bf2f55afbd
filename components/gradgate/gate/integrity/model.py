"""Whether the exported model on disk is the one that the record was written for.

Two ties, one in each direction: the manifest carries the digest of the model, and the model
carries the training's uid in `assets.extra/gradgate.json`. Neither can be exchanged alone.
"""

import dataclasses
import os
from pathlib import Path

from gradgate.contracts import (
    MARK,
    IntegrityCheck,
    Manifest,
    TreeError,
    bind_tree,
    read_mark,
)
from gradgate.contracts.health import BoundModel
from gradgate.gate.answers import NO_ANSWERS, Answers
from gradgate.gate.integrity.tensor_bundle import TensorBundleError, TensorCount, count_weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelCheck:
    """What the gate found in a model's directory.

    Attributes:
        tree: Digest of the directory and of every file; None when it has none.
        training_uid: What the model's mark says; None when it has no readable mark.
        weights: Float tensors that were counted; None when none could be.
        weights_problem: Why not; empty when they could.
        answers: What it answered to a few examples.
        problems: What is wrong with the model, whatever the record says.
    """

    tree: BoundModel | None
    training_uid: str | None = None
    weights: tuple[TensorCount, ...] | None = None
    weights_problem: str = ""
    answers: Answers = NO_ANSWERS
    problems: tuple[IntegrityCheck, ...] = ()


def check_model(directory: str | os.PathLike[str]) -> ModelCheck:
    """Looks at an exported SavedModel: its digest, its mark, and every weight in it.

    Never raises for what is in the directory: what is wrong with it is in the result.
    """
    root = Path(directory)
    try:
        tree = bind_tree(root)
    except (TreeError, OSError) as error:
        problem = f"the model could not be read: {error}"
        return ModelCheck(
            tree=None, weights_problem=problem, problems=(_failed("I-MODEL-TREE", problem),)
        )
    weights, weights_problem, problems = _weights(root)
    return ModelCheck(
        tree=tree,
        training_uid=read_mark(root),
        weights=weights,
        weights_problem=weights_problem,
        problems=problems,
    )


def compare_model(manifest: Manifest, model: ModelCheck | None) -> tuple[IntegrityCheck, ...]:
    """Returns the checks that tie a model to the manifest of a record."""
    if model is None:
        return (_failed("I-MODEL-TREE", "no model was given, so there is nothing to bless"),)
    if model.tree is None:
        return model.problems
    whole = IntegrityCheck(code="I-MODEL-TREE", status="pass")
    if manifest.model is None:
        message = (
            "the record is bound to no model; the model must be exported before the record is"
            " finished, so that the record can name its digest"
        )
        return (whole, _failed("I-MODEL-UNBOUND", message), *model.problems)
    same_bytes = manifest.model.digest == model.tree.digest
    same_run = manifest.training_uid == model.training_uid
    # Other bytes come before what is wrong with them: that is where whoever is asked looks first.
    return (
        whole,
        IntegrityCheck(code="I-MODEL-DIGEST", status="pass")
        if same_bytes
        else _failed("I-MODEL-DIGEST", _difference(manifest.model, model.tree)),
        IntegrityCheck(code="I-RUN-MISMATCH", status="pass")
        if same_run
        else _failed("I-RUN-MISMATCH", _whose(manifest.training_uid, model.training_uid)),
        *model.problems,
    )


def _failed(code: str, message: str) -> IntegrityCheck:
    return IntegrityCheck(code=code, status="fail", message=message)


def _weights(
    root: Path,
) -> tuple[tuple[TensorCount, ...] | None, str, tuple[IntegrityCheck, ...]]:
    try:
        if not (root / "variables").exists():
            text = "the model has no variables/ directory, so it has no weights to look at"
            return None, text, ()
        floats = count_weights(root).floats
    except (TensorBundleError, OSError) as error:
        return None, str(error), (_failed("I-MODEL-WEIGHTS", str(error)),)
    if not floats:
        return None, "the model holds no float tensor, so there is nothing to look at", ()
    return floats, "", (IntegrityCheck(code="I-MODEL-WEIGHTS", status="pass"),)


def _difference(wanted: BoundModel, got: BoundModel) -> str:
    want = {file.path: file.sha256 for file in wanted.files}
    have = {file.path: file.sha256 for file in got.files}
    changed = sorted(path for path in want.keys() & have.keys() if want[path] != have[path])
    parts = [
        f"{word} {', '.join(paths[:3])}{' ...' if len(paths) > 3 else ''}"
        for word, paths in (
            ("changed:", changed),
            ("missing:", sorted(want.keys() - have.keys())),
            ("added:", sorted(have.keys() - want.keys())),
        )
        if paths
    ]
    listed = f" ({'; '.join(parts)})" if parts else ""
    return (
        f"this is not the model that the training exported{listed}: it was changed since, or is of"
        " another training; judge a model together with the record of its own training. It has"
        f" digest {got.digest}, and the record was written for {wanted.digest}"
    )


def _whose(expected: str, got: str | None) -> str:
    if got is None:
        return f"the model has no readable {MARK}, so it does not say which training made it"
    return f"the model says that training {got} made it, and the record is of training {expected}"
