"""Fixtures of `gradgate policy test`: folders with a record and what is expected of a policy."""

import dataclasses
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from gradgate.gate import PolicyError, read_policy
from gradgate.gate.expectation import EXPECTATION, Expectation, load_expectation

RECORD: Final = "record"
MODEL: Final = "model"
BASELINES: Final = "baselines"
WAIVERS: Final = "waivers.yaml"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fixture:
    """One training, and what a policy is to decide of it.

    Attributes:
        model: The exported model; None where the training alone is judged.
        baselines: Verdicts of earlier trainings; None for none.
        waivers: Its own waivers; None where it has none.
    """

    name: str
    record: Path
    model: Path | None
    baselines: Path | None
    waivers: Path | None
    expectation: Expectation


def golden_runs() -> Path:
    """The folder of fixtures that gradgate ships."""
    return Path(str(resources.files("gradgate.gate"))) / "golden_runs"


def find_fixtures(folders: Sequence[Path] | None) -> list[Fixture]:
    """Returns the fixtures in some folders, or those that gradgate ships.

    Raises:
        ValueError: If a folder has none, or one of them cannot be used.
    """
    return [_fixture(found) for folder in folders or [golden_runs()] for found in _in(folder)]


def _in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: is no directory. Name a fixture, or a folder of fixtures.")
    if (folder / EXPECTATION).exists() or (folder / RECORD).exists():
        return [folder]
    inner = (path for path in folder.iterdir() if not path.name.startswith("."))
    found = sorted(path for path in inner if path.is_dir())
    if not found:
        raise ValueError(
            f"{folder}: holds no fixture. A fixture is a folder with an {EXPECTATION} and a"
            f" {RECORD} of a training."
        )
    return found


def _fixture(folder: Path) -> Fixture:
    path = folder / EXPECTATION
    try:
        text = read_policy(path)
    except PolicyError as error:
        raise ValueError(
            f"{error}. Say there what is expected, such as `decision: block`."
        ) from error
    model, waivers, baselines = folder / MODEL, folder / WAIVERS, folder / BASELINES
    return Fixture(
        name=folder.name or folder.resolve().name,
        record=folder / RECORD,
        model=model if model.exists() else None,
        baselines=baselines if baselines.exists() else None,
        # A broken link is there, and is said to be wrong; it is not left out.
        waivers=waivers if os.path.lexists(waivers) else None,
        expectation=load_expectation(text, source=str(path)),
    )
