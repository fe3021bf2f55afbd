"""The contracts as JSON Schemas, for editors, linters and other languages.

`python -m gradgate.gate.schemas [--check] [FOLDER]` writes them, or says which are stale. They
are generated from the classes in `gradgate.contracts` and from the catalogue of signals, so an
editor knows every signal by name.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gradgate.contracts import Manifest, ModelCard, Policy, Summary, Verdict, Waivers
from gradgate.gate.signals import ALL

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def policy_schema() -> dict[str, Any]:
    """What people write. The signals are a closed list, each with what it is."""
    schema = Policy.model_json_schema(by_alias=True, mode="validation")
    known = [{"const": signal.name, "description": signal.what} for signal in ALL]
    schema["$defs"]["Rule"]["properties"]["signal"] = {"title": "Signal", "anyOf": known}
    schema["properties"]["required_signals"]["items"] = {"enum": [signal.name for signal in ALL]}
    return schema


def verdict_schema() -> dict[str, Any]:
    """What the gate writes."""
    return Verdict.model_json_schema(by_alias=True, mode="serialization")


SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "policy": policy_schema,
    "waivers": lambda: Waivers.model_json_schema(by_alias=True, mode="validation"),
    "verdict": verdict_schema,
    "manifest": lambda: Manifest.model_json_schema(by_alias=True, mode="serialization"),
    "model-card": lambda: ModelCard.model_json_schema(by_alias=True, mode="serialization"),
    "summary": lambda: Summary.model_json_schema(by_alias=True, mode="serialization"),
}


def schema_files() -> dict[str, str]:
    """Returns the text of every schema file, by its name."""
    return {
        f"{name}.schema.json": json.dumps(
            {"$schema": _DIALECT, "$id": f"urn:gradgate:{name}:v1", **make()}, indent=2
        )
        + "\n"
        for name, make in SCHEMAS.items()
    }


def stale(folder: Path) -> list[str]:
    """Returns the names of the files in a folder that are missing, differ, or are no schema."""
    wanted = schema_files()
    found = {path.name: path.read_text("utf-8") for path in folder.glob("*.schema.json")}
    return sorted(name for name in wanted | found if wanted.get(name) != found.get(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the files; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gradgate.gate.schemas", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("schemas"))
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    if options.check:
        names = stale(folder)
        for name in names:
            sys.stderr.write(f"{folder / name} is stale; run python -m gradgate.gate.schemas\n")
        return 1 if names else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schema_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
