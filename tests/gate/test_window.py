"""Which steps a window is."""

import pytest

from gradgate.contracts.policy import Window
from gradgate.gate.window import Steps, resolve


@pytest.mark.parametrize(
    ("window", "start", "stop"),
    [
        ({}, 0, 400),
        ({"skip_first": 30}, 30, 400),
        ({"skip_first": "burn-in"}, 10, 400),  # 1 % of 500 is 5, and at least 10
        ({"skip_first": "10%"}, 50, 400),  # of the 500 planned, not the 400 observed
        ({"first": 100}, 0, 100),
        ({"first": "20%", "skip_first": 10}, 10, 100),
        ({"last": 50}, 350, 400),
        ({"last": "10%"}, 350, 400),
        ({"last": "100%", "skip_first": 399}, 399, 400),
        ({"skip_first": 1000}, 1000, 1000),  # nothing is left
        ({"first": 5, "skip_first": 10}, 10, 10),
        ({"range": (0, 100)}, 0, 100),
        ({"range": ("10%", "50%")}, 50, 250),
        ({"range": (60, "100%")}, 60, 400),  # 500 are planned, and 400 were seen
        ({"range": (450, 460)}, 450, 450),
    ],
)
def test_steps_of_a_window(window, start, stop):
    steps = resolve(Window(**window), planned=500, stop=400)
    assert (steps.start, steps.stop) == (start, stop)


def test_burn_in_is_one_percent_of_a_long_run():
    assert resolve(Window(skip_first="burn-in"), planned=5001, stop=5001).start == 51


def test_says_what_a_percentage_is_of():
    window = Window(last="10%")
    assert resolve(window, planned=500, stop=400).percent_of == "planned"
    assert resolve(window, planned=None, stop=400) == Steps(
        start=360, stop=400, percent_of="observed"
    )
    assert resolve(Window(range=(5, "9%")), planned=None, stop=400).percent_of == "observed"
    assert resolve(Window(last=3), planned=500, stop=400).percent_of == ""
