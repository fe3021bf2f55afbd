"""The two kinds of document: what people write is closed, what outlives a version is open.

`Contract` refuses a field it does not know, so a typing error in a policy is an error.
`Recorded` ignores one, so that a newer writer's file still reads; a newer *major* version is
refused by the reader of that file.

What checks a document is built where one is first read (`defer_build`): to import a contract costs
next to nothing. So that it stays so, a document that is a field's default is made by
`model_construct()`, which checks nothing.
"""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _from_json(value: Any) -> Any:
    return _NON_FINITE.get(value, value) if isinstance(value, str) else value


def _to_json(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


Number = Annotated[
    float,
    BeforeValidator(_from_json),
    PlainSerializer(_to_json, when_used="json"),
]
"""A measured number. JSON has no NaN, so a non-finite one is the string "NaN", "Infinity" or
"-Infinity" there: counted, never hidden."""


class Contract(BaseModel):
    """A frozen, strict document that people write: an unknown field is an error."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=True, defer_build=True
    )


class Recorded(BaseModel):
    """A frozen, strict document that a program writes: a reader ignores what it does not know."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="ignore", allow_inf_nan=True, defer_build=True
    )
