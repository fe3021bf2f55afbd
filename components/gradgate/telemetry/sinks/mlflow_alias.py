"""Moves the alias to the version that was pushed last; one that somebody else moved stays theirs.

MLflow has no compare-and-swap: whoever may write can move an alias, and the last one wins. So the
registered model remembers, in a tag, where we set it. It is ours to move while it stands there; an
alias that stands anywhere else was moved by somebody else, perhaps in an emergency, and is left
until they put it on the version that was pushed last.

Two pushes at once agree without a lock: each moves the alias to the version that was pushed *last*
of all that are registered, looks again, and is done only when it is there.
"""

import dataclasses
import logging

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

ALIAS, PREVIOUS = "champion", "previous_champion"
ORDER = "gradgate.push_order"
"""Of a version: the number by which later pushes are told from earlier ones."""
SET_TO = "gradgate.champion"
"""Of a registered model: the versions at which we may have set the alias, separated by commas."""

_NOWHERE = "none"
_TRIES = 5
_log = logging.getLogger("gradgate.mlflow")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AliasMove:
    """What became of the alias.

    Attributes:
        version: Where it stands now; None if nowhere.
        is_ours: False when somebody else moved it, so that it was left.
        message: In one sentence.
    """

    version: str | None
    is_ours: bool
    message: str


def move_alias(client: MlflowClient, name: str) -> AliasMove:
    """Moves the alias of a registered model to its version that was pushed last."""
    for _ in range(_TRIES):
        wanted, before = _last_two(client, name)
        now, ours = _standing(client, name)
        if wanted is None:
            return AliasMove(version=None, is_ours=True, message=f"{name} was never pushed")
        if wanted not in ours and before is not None:
            ours.add(before)  # somebody who had moved it has put it back where it belonged
        if now not in ours and now != wanted:
            return _left(name, now, wanted)
        if now != wanted:
            # Where it may stand is written first: a crash at any point leaves an alias of ours.
            client.set_registered_model_tag(name, SET_TO, f"{wanted},{now}")
            if now != _NOWHERE:
                client.set_registered_model_alias(name, PREVIOUS, now)
            client.set_registered_model_alias(name, ALIAS, wanted)
        client.set_registered_model_tag(name, SET_TO, wanted)
        now, ours = _standing(client, name)
        if now == wanted == last_pushed(client, name) and ours == {wanted}:
            return AliasMove(version=wanted, is_ours=True, message=f"{ALIAS} is version {wanted}")
    return _left(name, now, wanted)


def last_pushed(client: MlflowClient, name: str) -> str | None:
    """The version of ours that was pushed last; None when there is none."""
    return _last_two(client, name)[0]


def _last_two(client: MlflowClient, name: str) -> tuple[str | None, str | None]:
    versions = pushed_versions(client, name)
    versions.sort(key=lambda one: (order_of(one), int(one.version)), reverse=True)
    last, before, *_ = (*(str(one.version) for one in versions), None, None)
    return last, before


def pushed_versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """All versions that we registered, whatever their number of pages."""
    found: list[ModelVersion] = []
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name='{name}'", page_token=token)
        found += [version for version in page if ORDER in version.tags]
        token = page.token
        if not token:
            return found


def order_of(version: ModelVersion) -> int:
    """When it was pushed, as a number that rises."""
    text = str(version.tags.get(ORDER, ""))
    return int(text) if text.isdigit() else 0


def _standing(client: MlflowClient, name: str) -> tuple[str, set[str]]:
    """Where the alias stands, and where it may stand if it is ours."""
    model = client.get_registered_model(name)
    ours = model.tags.get(SET_TO, _NOWHERE)
    return str(model.aliases.get(ALIAS, _NOWHERE)), set(ours.split(","))


def _left(name: str, now: str, wanted: str | None) -> AliasMove:
    stands = "was removed" if now == _NOWHERE else f"was moved to version {now}"
    message = (
        f"{ALIAS} of {name} {stands} by somebody else, so it was left there; the version that was"
        f" pushed last is {wanted}. To let gradgate move it again, set it to version {wanted}."
    )
    _log.warning("%s", message)
    return AliasMove(version=None if now == _NOWHERE else now, is_ours=False, message=message)
