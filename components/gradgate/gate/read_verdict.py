"""Reads a verdict that was not changed since it was given, or says what is wrong with the file."""

import os
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from gradgate.contracts import Verdict, parse_json
from gradgate.contracts.plain import read_plain
from gradgate.contracts.verdict import SCHEMA

VERDICT: Final = "verdict.json"
_MAX_BYTES: Final = 256 << 20


class VerdictError(ValueError):
    """A file that is no verdict to go by.

    Attributes:
        kind: `missing` (no such file, or no plain one), `invalid` (no verdict), `schema` (of
            another version), `changed` (its id does not fit its content).
    """

    def __init__(
        self, kind: Literal["missing", "invalid", "schema", "changed"], message: str
    ) -> None:
        super().__init__(message)
        self.kind = kind


def read_verdict(path: str | os.PathLike[str]) -> Verdict:
    """Returns the verdict in a file, or in the `verdict.json` of a directory.

    Raises:
        VerdictError: If there is none, or none that says what it said when it was given.
    """
    file = Path(path)
    try:
        file = file / VERDICT if file.is_dir() else file
        data = read_plain(file, most=_MAX_BYTES)
        parse_json(data)
        verdict = Verdict.model_validate_json(data)
    except OSError as error:
        text = f"{file}: {error.strerror}. Name a {VERDICT}, or the directory that holds it."
        raise VerdictError("missing", text) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise VerdictError("invalid", f"{file}: is no verdict: {where}: {first['msg']}.") from error
    except ValueError as error:
        raise VerdictError("invalid", f"{file}: is no verdict: {error}") from error
    if verdict.schema_id != SCHEMA:
        text = f"{file}: is of schema {verdict.schema_id}; this gradgate reads {SCHEMA}."
        raise VerdictError("schema", text)
    if verdict.verdict_id != verdict.computed_id():
        raise VerdictError(
            "changed",
            f"{file}: the verdict was changed after it was given, damaged or edited: it says"
            f" {verdict.verdict_id}, its content has {verdict.computed_id()}.",
        )
    return verdict
