"""The table at the end of `make demo`, of three real runs."""

import pytest
from rich.console import Console

from pipeline.demo import EXPECTED, summary_table

pytestmark = pytest.mark.e2e


def test_the_table_says_what_was_decided_why_and_what_is_served(sound, silent_nan, saturated):
    results = [result for result, _ in (sound, silent_nan, saturated)]
    assert {result.config: result.is_pushed for result in results} == EXPECTED
    console = Console(width=200, color_system=None)
    with console.capture() as drawn:
        console.print(summary_table(results))
    text = drawn.get()
    served = results[0].pushed_version
    for part in (
        f"pushed as version {served}",
        "step 0 in taxi/dense_1/kernel",
        "clipped on 100% of",
        f"not pushed; version {served} is still served",
    ):
        assert part in text
