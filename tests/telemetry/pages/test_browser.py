"""MLflow's pages as a person sees them. GRADGATE_PICTURES=DIR keeps pictures for the guide."""

import os
from pathlib import Path

import pytest

from gradgate.telemetry.sinks.mlflow_links import read_run

pytestmark = pytest.mark.half("first")  # it asks MLflow and nothing of the stack


@pytest.fixture
def picture(browser):
    """Keeps a picture, if somebody wants them."""
    folder = os.environ.get("GRADGATE_PICTURES")
    return lambda name, *size: folder and browser.picture(Path(folder) / name, *size)


@pytest.fixture
def link(server, story):
    def link(name):
        run = read_run(story[name].record)
        assert run.needs_ui
        return run.link.replace(run.pages, server.address)

    return link


# A page fills itself by and by, so what is wanted is waited for; its order is looked at afterwards.


def test_the_run_page_opens_with_the_verdict(browser, link, picture):
    order = [
        "Description\nBLOCKED\n",
        "First offence: step 130 (epoch 1) in net/dense/kernel",
        "Likely cause: ",
        "What to change:",
        "Metrics (",
    ]
    about = ["gradgate.decision\n: block", "gradgate.first_offence_step\n: 130", "examples/train"]
    text = browser.open(link("blocked"), *order, *about)
    picture("mlflow-run.png", 1400, 620)
    assert sorted(order, key=text.index) == order


def test_a_sound_and_a_warned_run_say_so(browser, link):
    browser.open(link("sound"), "Description\nBLESSED\n", "gradgate.decision\n: ok")
    browser.open(
        link("warned"),
        "Description\nBLESSED, with warnings\n",
        "Likely cause: The clip is too tight",
        "What to change: ClipByGlobalNorm(max_norm=",
        "gradgate.decision\n: warn",
    )


def test_the_charts_have_names_that_read(browser, link):
    browser.size(1400, 2600)  # charts out of sight are not drawn
    sections = (
        "grad",
        "grad_l2_log10",
        "layer_dead_fraction",
        "summary",
        "train",
        "update_ratio_log10",
    )
    charts = ("global_norm", "global_norm_clipped", "clip_rate_last_100", "nonfinite_steps_total")
    browser.open(
        link("blocked").replace("?", "/model-metrics?"),
        *(f"\n{section}\n(" for section in sections),
        *(f"\n{chart}\n" for chart in charts),
    )


def test_the_comparison_has_our_columns_and_charts(browser, server, picture):
    (address,) = server.said.values()
    browser.size(1700, 700)
    columns = ("gradgate.decision", "summary/clip_rate", "summary/max_norm")
    runs = ("taxi sound #1", "taxi warned #1", "taxi blocked #1", "\nblock\n", "\nwarn\n", "\nok\n")
    browser.open(address, *columns, *runs)
    picture("mlflow-runs.png", 1500, 430)
    charts = ("Health of the training", "\ngrad/clip_rate_last_100\n", "\ntrain/loss\n")
    browser.open(f"{address}&compareRunsMode=CHART", *charts)
    browser.wait_for_lines(1)
    picture("mlflow-compare.png", 1500, 760)


def test_the_registry_says_what_was_pushed_and_by_which_verdict(browser, server):
    models = f"{server.address}/#/models/taxi"
    kind = "?workflowType=machine_learning"
    pushed = ("OK: 14 of 14 rules passed", "taxi sound #1", "gradgate.model_digest")
    browser.open(f"{models}/versions/1{kind}", "@ champion", *pushed)
    text = browser.open(f"{models}{kind}", "Version 1", "@ champion")
    assert "Version 2" not in text  # of the blocked and the warned one nothing was pushed
