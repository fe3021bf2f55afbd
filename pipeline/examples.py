"""The ready-made examples: what a pipeline must know of each table and its model. Light."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pipeline import data, reviews
from pipeline.configs import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """One table, and the code that learns from it.

    Attributes:
        module: Dotted path of the module with `preprocessing_fn` and `run_fn`.
        label: The column that is learned.
        schema: The reviewed data schema.
        stage: Lays the table that a configuration asks for into a workspace; returns the folder
            for `CsvExampleGen`.
        splits: Parts of the splits, by name, in order; None leaves it to TFX: two thirds to
            train, a third to eval.
        describe: What a configuration trains on, for people.
    """

    module: str
    label: str
    schema: Path
    stage: Callable[[Config, Path], Path]
    splits: Mapping[str, int] | None
    describe: Callable[[Config], str]


EXAMPLES: Final[Mapping[str, Example]] = {
    "chicago-taxi": Example(
        module="pipeline.modules.chicago_taxi",
        label="big_tipper",
        schema=data.SCHEMA,
        stage=lambda _, workspace: data.stage_table(workspace),
        splits=None,
        describe=lambda _: "the Chicago taxi table, 15,002 real rides",
    ),
    "movie-reviews": Example(
        module="pipeline.modules.movie_reviews",
        label="positive",
        schema=reviews.SCHEMA,
        stage=lambda config, workspace: reviews.stage_reviews(workspace, config.data.reviews),
        # The test split is for the very end: nobody chooses anything by it.
        splits={"train": 4, "eval": 1, "test": 1},
        describe=lambda config: f"{config.data.reviews:,} reviews of films",
    ),
}
"""By the name that a configuration says."""
