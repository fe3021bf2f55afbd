"""Whether two trainings are alike enough for their numbers to be compared."""

from gradgate.contracts import Manifest, ModelCard
from gradgate.contracts.baseline import Comparability
from gradgate.contracts.references import Reference


def why_unlike(
    reference: Reference | None,
    *,
    schema: str | None,
    card: ModelCard,
    manifest: Manifest,
    needed: Comparability,
) -> str:
    """Returns why a training cannot be compared with an earlier one; empty if it can.

    Args:
        reference: Of the earlier one, of the same optimizer; None if it had no such optimizer.
        schema: Version of the earlier one's record.
        card: Of the training that is judged.
        manifest: Of the training that is judged.
        needed: How alike they must be.
    """
    if reference is None:
        return "the baseline has no optimizer of this name"
    if _major(schema) != _major(manifest.schema_version):
        return f"the records are of versions {schema} and {manifest.schema_version}"
    if needed.same_optimizer and reference.kind != card.optimizer:
        return f"the optimizer changed: {reference.kind} was, {card.optimizer} is"
    before, now = set(reference.variables), {variable.path for variable in card.variables}
    shared, either = len(before & now), len(before | now)
    if not shared or shared / either < needed.min_shared_variables:
        return f"architecture changed: {shared} of {either} variables matched"
    return ""


def _major(version: str | None) -> str:
    return (version or "?").partition(".")[0]
