"""MLflow's pages as a person sees them. GRADGATE_PICTURES=DIR keeps pictures for the guide."""

import os
from pathlib import Path

import pytest

from gradgate.telemetry.sinks.mlflow_links import read_run


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


def test_the_run_page_opens_with_the_verdict(browser, link, picture):
    text = browser.open(link("blocked"), "Description", "Metrics (", "gradgate.first_offence_step")
    picture("mlflow-run.png", 1400, 620)
    told = text[text.index("Description") :]
    assert told.startswith("Description\nBLOCKED\n")
    order = [
        "First offence: step 130 (epoch 1) in net/dense/kernel",
        "What to change:",
        "Metrics (",
    ]
    assert sorted(order, key=told.index) == order
    assert "gradgate.decision\n: block" in text
    assert "examples/train" in text


def test_a_sound_and_a_warned_run_say_so(browser, link):
    assert "BLESSED\n" in browser.open(link("sound"), "Description", "Metrics (")
    text = browser.open(link("warned"), "Description", "Metrics (", "with warnings")
    assert "What to change: clip_by_global_norm" in text


def test_the_charts_have_names_that_read(browser, link, picture):
    browser.size(1400, 2600)  # charts out of sight are not drawn
    text = browser.open(
        link("blocked").replace("?", "/model-metrics?"), "nonfinite_steps_total", "00_dense.kernel"
    )
    for section in ("grad", "grad_l2_log10", "summary", "train", "update_ratio_log10"):
        assert f"\n{section}\n(" in text
    for chart in ("global_norm", "global_norm_clipped", "nonfinite_steps_total"):
        assert f"\n{chart}\n" in text


def test_the_comparison_has_our_columns_and_charts(browser, server, picture):
    (address,) = server.said.values()
    browser.size(1700, 700)
    text = browser.open(address, "taxi sound #1", "taxi warned #1", "gradgate.decision")
    picture("mlflow-runs.png", 1500, 430)
    for column in ("gradgate.first_offence", "summary/clip_rate", "summary/max_norm"):
        assert column in text
    assert "\nblock\n" in text
    assert "\nwarn\n" in text
    text = browser.open(f"{address}&compareRunsMode=CHART", "Health of the training")
    browser.wait_for("grad/clip_rate_last_100", "train/loss")
    picture("mlflow-compare.png", 1500, 760)


def test_the_registry_says_what_was_pushed_and_by_which_verdict(browser, server):
    address = f"{server.address}/#/models/taxi/versions/1?workflowType=machine_learning"
    text = browser.open(address, "gradgate.model_digest", "@ champion")
    assert "OK: 14 of 14 rules passed" in text
    assert "taxi sound #1" in text
    text = browser.open(
        f"{server.address}/#/models/taxi?workflowType=machine_learning", "Version 1"
    )
    assert "Version 2" not in text  # of the blocked and the warned one nothing was pushed
