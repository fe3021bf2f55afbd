"""`make case-study`: an LSTM on reviews of films that breaks, and what mends it, one change a run.

The runs go through the whole pipeline one after the other. With `--page` the tables, texts and
pictures of the docs page are made again from them. The exit status is 0 when it came out as told.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipeline.configs import load
from pipeline.demo import show_runs
from pipeline.examples import EXAMPLES
from pipeline.photograph import photograph
from pipeline.run import RunResult

EXPECTED: Final[Mapping[str, bool]] = {
    "reviews-broken": False,
    "reviews-clip": False,
    "reviews-layer-norm": True,
    "reviews-sound": True,
}
"""The story in order, and whether the model must come out pushed."""

TEST = "test"
"""The split that nothing was chosen by."""


def case_study(workspace: Path, page: Path | None = None) -> int:
    """Runs the story; returns the exit status.

    Args:
        workspace: Where everything is kept.
        page: The docs page that is made again from the runs; None makes none.
    """
    results = show_runs(tuple(EXPECTED), workspace)
    from pipeline.case_study_page import Told, write_page
    from pipeline.scoring import majority, score

    label = EXAMPLES[load(results[0].config).example].label
    told = [
        Told(
            config=load(result.config),
            result=result,
            score=score(result.model, result.examples, split=TEST, label=label),
        )
        for result in results
    ]
    baseline = majority(results[0].examples, split=TEST, label=label)
    print()  # noqa: T201
    for name, found in [
        ("always the majority", baseline),
        *((t.config.name, t.score) for t in told),
    ]:
        print(  # noqa: T201
            f"   {name:20s} accuracy {found.accuracy:.3f}   F1 {found.f1:.3f}   macro F1"
            f" {found.macro_f1:.3f}   on {found.examples:,} held-out reviews"
        )
    if page is not None:
        write_page(page, told, baseline)
        picture = page.parent / "images" / "case-study-broken-report.png"
        photograph(results[0].report_path, picture)
    return _surprises(results)


def _surprises(results: list[RunResult]) -> int:
    wrong = [result for result in results if result.is_pushed != EXPECTED[result.config]]
    for result in wrong:
        wanted = "a push" if EXPECTED[result.config] else "a block"
        print(f"{result.config}: expected {wanted}, got: {result.headline}", file=sys.stderr)  # noqa: T201
    return 1 if wrong else 0
