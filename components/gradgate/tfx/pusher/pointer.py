"""The one small object that says which model of an object store is in force."""

from typing import Final

from pydantic import ConfigDict, Field, ValidationError

from gradgate.contracts import Recorded, canonical_json, parse_json
from gradgate.tfx.pusher.checks import RefusedError
from gradgate.tfx.pusher.object_store import Found, ObjectStore

POINTER: Final = "current.json"
SCHEMA: Final = "gradgate.pointer/v1"


class Pointer(Recorded):
    """Which model is in force.

    Attributes:
        version: Rises with every push.
        model_digest: Tree digest, see `gradgate.contracts.tree`.
        prefix: Folder of the model, relative to the pointer's own.
        previous_prefix: That of the model before, to go back to; None for the first.
    """

    schema_id: str = Field(default=SCHEMA, alias="schema")
    version: int
    model_digest: str
    prefix: str
    previous_prefix: str | None = None
    verdict_id: str
    pushed_at: str

    model_config = ConfigDict(populate_by_name=True)

    def document(self) -> bytes:
        """Its bytes."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))


def read_pointer(store: ObjectStore) -> tuple[Pointer | None, Found | None]:
    """Returns which model is in force, and what names this state of the pointer; None for none.

    Raises:
        RefusedError: If something else lies there: it is not ours to write over.
    """
    found = store.read(POINTER)
    if found is None:
        return None, None
    try:
        parse_json(found.data)
        pointer = Pointer.model_validate_json(found.data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise RefusedError(_none(store, f"{where}: {first['msg']}")) from error
    except ValueError as error:
        raise RefusedError(_none(store, str(error))) from error
    if pointer.schema_id != SCHEMA:
        text = f"it is of schema {pointer.schema_id}; this gradgate reads {SCHEMA}"
        raise RefusedError(_none(store, text))
    return pointer, found


def prefix_of(model_digest: str) -> str:
    """The folder of a model, such as `by-digest/0f3a...`."""
    return f"by-digest/{model_digest.removeprefix('sha256:')}"


def _none(store: ObjectStore, reason: str) -> str:
    return f"{store.url}/{POINTER} is no pointer that a push may write over: {reason}"
