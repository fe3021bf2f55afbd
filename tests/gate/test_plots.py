"""Pictures of a training: that they show what happened, and never what did not."""

import logging
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.contracts import Verdict
from gradgate.gate import Evidence, RecordProblem, judge, plots
from gradgate.gate.plots import draw_pictures
from gradgate.gate.plots.gradient_flow import MOST_ROWS
from gradgate.gate.plots.reduce import history_of
from gradgate.gate.plots.sheet import Sheet, cut, fixed
from gradgate.gate.plots.stretches import MOST
from gradgate.gate.render import render_html
from gradgate.gate.render.picture import plots_style
from gradgate.telemetry.reader import RecordError, open_record

NAMES = ("gradient-flow", "loss", "global-norm", "update-ratio", "clip-rate")
CLIP = ({"name": "clip_by_global_norm", "max_norm": 4.0},)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def sick(make):
    """A clipped training whose first kernel is NaN from step 130 on, with its verdict."""
    training = make.Training(every=20).replace(clips=CLIP)
    training.norms[130:, 0] = training.global_norm[130:] = math.nan
    training.weight_norm[7:, 0] = training.update_ratio[7:, 0] = math.nan
    training.loss[131:] = math.nan
    training.clipped[40:60] = True
    verdict = make.verdict(
        training,
        make.rule("gradient.nonfinite", id="nonfinite-gradient"),
        make.rule("loss.nonfinite", id="nonfinite-loss"),
        make.rule("clip.saturation", "mean", "<=", 0.5, id="clip-saturation"),
    )
    return training, verdict


def drawn(training, verdict=None):
    return {picture.name: picture for picture in draw_pictures(training.evidence(), verdict)}


def texts(picture):
    """What can be read in a picture."""
    return [
        element.text for element in ET.fromstring(picture.file()).iter(f"{SVG}text") if element.text
    ]


def check(picture):
    """What holds of every picture."""
    root = ET.fromstring(picture.file())  # it is XML, so every text was escaped
    ET.fromstring(picture.inline())
    assert root.find(f"{SVG}title").text == picture.title
    for element in root.iter():
        for key, value in element.items():
            assert not re.search(r"nan|inf(?!inite)", value, re.IGNORECASE), (key, value)
    assert "var(" not in picture.file()
    assert not re.search(r"url\(|href|<script|@import", picture.file())
    assert f'aria-label="{picture.title}"' in picture.inline()
    rules = plots_style()
    for kind in set(re.findall(r'class="([^"]+)"', picture.shapes)):
        assert all(f".{one}" in rules for one in kind.split()), kind


# --- What is drawn ---------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_golden(sick, golden, name):
    picture = drawn(*sick)[name]
    check(picture)
    golden(f"plots/{name}.svg", picture.inline().replace("><", ">\n<") + "\n")


def test_every_golden_run_is_drawn_or_cannot_be_read(request):
    folder = request.config.rootpath / "components/gradgate/gate/golden_runs"
    counts = {}
    for run in sorted(path.parent for path in folder.glob("*/expect.yaml")):
        try:
            pictures = draw_pictures(Evidence.of(open_record(run / "record")))
        except RecordError:
            pictures = ()
        for picture in pictures:
            check(picture)
            assert len(picture.file()) < 40_000
        counts[run.name] = len(pictures)
    unread = {"empty": 0, "truncated": 0}
    assert counts == dict.fromkeys(counts, 5) | unread
    assert len(counts) == 13


def test_offences_are_named_with_step_and_rule_in_every_picture(sick):
    for picture in drawn(*sick).values():
        assert "step 130: nonfinite-gradient" in texts(picture)
        assert "step 131: nonfinite-loss" in texts(picture)
    assert not [t for p in drawn(sick[0]).values() for t in texts(p) if "nonfinite" in t]


def test_the_sick_layer_is_marked_and_said_first(sick):
    flow = drawn(*sick)["gradient-flow"]
    assert "Not finite in first, first at step 130. Typically 0.5 in head to 0.707 in first." in (
        texts(flow)
    )
    assert "NaN or infinite" in texts(flow)
    assert re.search(r'class="name block"[^>]*>first<', flow.shapes)
    assert "first: typically 0.707; first not finite at step 130" in flow.shapes


def test_limits_stand_with_their_names(sick):
    pictures = drawn(*sick)
    assert "clip limit 4" in texts(pictures["global-norm"])
    assert "limit of the policy, 50%" in texts(pictures["clip-rate"])
    assert "best constant answer, 0.7" in texts(pictures["loss"])
    assert "healthy: about 1e-3" in texts(pictures["update-ratio"])
    assert "Clipped on 6.67% of all steps. A point is 2 steps." in texts(pictures["clip-rate"])
    assert "From 1 to 0.609; NaN or infinite on 169 steps." in texts(pictures["loss"])


def test_what_is_not_finite_is_no_line_and_no_colour(sick):
    pictures = drawn(*sick)
    # Columns of 2 steps: those from step 130 on, the 65th, have a colour and signs of their own.
    assert re.search(r'class="cell bad-cell"[^>]* d="M65 0h85"', pictures["gradient-flow"].shapes)
    for name in ("loss", "global-norm"):
        shapes = ET.fromstring(f"<svg>{pictures[name].shapes}</svg>")
        (ground,) = [x for x in shapes if x.get("class") == "bad-ground"]
        for line in (x for x in shapes if x.get("class") == "line s1"):
            for x in re.findall(r"[ML]([\d.]+) ", line.get("d")):
                if len(re.findall("L", line.get("d"))) > 1:  # the legend has lines too
                    assert float(x) <= float(ground.get("x")) + 2  # of step 130 the loss was


def test_a_gradient_of_exactly_0_is_told_from_a_small_one(training):
    training.norms[100:, 2] = 0.0
    flow = drawn(training)["gradient-flow"]
    assert "exactly 0" in texts(flow)
    assert "Typically 0 in head to 0.707 in first." in texts(flow)
    assert re.search(r'class="cell zero-cell"[^>]* d="M50 1h100"', flow.shapes)
    training.norms[100:, 2] = 1e-30
    flow = drawn(training)["gradient-flow"]
    assert "exactly 0" not in texts(flow)
    assert "\u2264 1e-10" in texts(flow)


def test_layers_stand_in_the_order_of_the_forward_pass_without_the_models_name(make):
    training = make.Training(paths=("toy/late/kernel", "toy/early/kernel", "toy/early/bias"))
    variables = [
        variable.model_copy(update={"depth": depth})
        for variable, depth in zip(training.card.variables, (2, 1, 1), strict=True)
    ]
    training.replace(variables=tuple(variables))
    history = history_of(training.evidence())
    assert history.layers.names == ("early", "late")
    np.testing.assert_allclose(history.norms.mean[:, 0], [math.hypot(0.5, 0.5), 0.5])
    title = texts(drawn(training)["gradient-flow"])[0]
    assert title == "Gradient flow: norm of each layer\u2019s gradient, from input to output"
    training.without_gradient(0)
    assert history_of(training.evidence()).layers.names == ("early",)


def test_of_very_many_layers_the_sick_one_is_among_those_shown(make):
    paths = [f"block_{i}/some_rather_long_name_of_a_layer/kernel" for i in range(300)]
    training = make.Training(steps=60, paths=paths, every=20)
    training.norms[:, 123] = 1e-9
    training.norms[30:, 211] = math.inf
    flow = drawn(training)["gradient-flow"]
    names = re.findall(r'class="name"[^>]*>([^<]+)<', flow.shapes)
    assert len(names) == MOST_ROWS
    assert all(len(name) <= 28 for name in names)
    for path in (0, 123, 211, 299):
        assert any(name.startswith(f"block_{path}/") for name in names)
    assert "60 of 300 layers are shown." in " ".join(texts(flow))


def test_what_was_not_measured_is_not_drawn(training):
    assert set(drawn(training)) == set(NAMES) - {"clip-rate"}  # no clip was set
    training.replace(loss_measured=False)
    training.update_ratio = None
    assert set(drawn(training)) == {"gradient-flow", "global-norm"}
    training.without_gradient(0, 1, 2)
    assert set(drawn(training)) == {"global-norm"}
    assert draw_pictures(RecordProblem(code="T-MISSING", message="nothing there")) == ()


def test_skipped_steps_are_counted(training):
    training.replace(clips=CLIP).applied[[3, 4]] = False
    assert "Clipped on 0% of all steps; 2 steps not applied. A point is 2 steps." in texts(
        drawn(training)["clip-rate"]
    )


def test_each_optimizer_has_pictures_of_its_own(make, training):
    critic = make.Training()
    critic.norms[50:, 0] = math.nan
    evidence = training.evidence(optimizers=[("../The <Critic>", critic)])
    verdict = judge(
        make.policy(make.rule("gradient.nonfinite", id="nan")),
        evidence,
        model=None,
        as_of=make.as_of,
        training_only=True,
    )
    pictures = {picture.name: picture for picture in draw_pictures(evidence, verdict)}
    assert "the-critic-loss" in pictures
    assert pictures["the-critic-loss"].title == "../The <Critic>: Loss"
    mark = "step 50: nan"
    assert mark in texts(pictures["the-critic-gradient-flow"])
    assert mark not in texts(pictures["the-first-optimizer-gradient-flow"])
    for picture in pictures.values():
        check_name = re.fullmatch(r"[a-z0-9-]+", picture.name)
        assert check_name
        ET.fromstring(picture.inline())


def test_a_picture_that_cannot_be_drawn_is_left_out_and_named(training, monkeypatch, caplog):
    def broken(scene):
        raise ZeroDivisionError

    monkeypatch.setattr(plots, "PICTURES", (broken, *plots.PICTURES[1:]))
    assert set(drawn(training)) == {"loss", "global-norm", "update-ratio"}
    assert "the picture broken could not be drawn" in caplog.text


def test_steps_that_cannot_be_read_leave_no_pictures(training, caplog):
    def batches():
        yield from training.batches(100)
        raise ValueError("part 7 is cut off")

    evidence = Evidence(**{**vars(training.evidence()), "batches": batches})
    with caplog.at_level(logging.WARNING):
        assert draw_pictures(evidence) == ()
    assert "part 7 is cut off" in caplog.text


# --- The reduction ---------------------------------------------------------------------------
def test_no_spike_is_lost_however_long_the_training(make):
    training = make.Training(steps=5000, every=0)
    training.global_norm[3333] = 77.0
    training.loss[17] = -5.0
    history = history_of(training.evidence(999))
    assert MOST / 2 <= len(history.steps) <= MOST
    assert history.width == 32
    assert history.peak == (77.0, 3333)
    assert history.global_norm.greatest[0, 3333 // 32] == 77.0
    assert history.loss.least[0, 0] == -5.0
    assert history.steps.sum() == 5000
    assert history.epochs == tuple((epoch, 100 * epoch) for epoch in range(50))


def test_stretches_are_what_numpy_says(make):
    rng = np.random.default_rng(0)
    training = make.Training(steps=512, every=0)
    training.loss = rng.lognormal(size=512).astype(np.float32)
    training.loss[[5, 100, 101]] = [np.nan, np.inf, -np.inf]
    band = history_of(training.evidence(10)).loss
    pairs = training.loss.reshape(256, 2).astype(np.float64)
    finite = np.where(np.isfinite(pairs), pairs, np.nan)
    known = np.isfinite(pairs).any(1)
    assert np.flatnonzero(~known).tolist() == [50]
    np.testing.assert_allclose(band.mean[0, known], np.nanmean(finite[known], axis=1))
    np.testing.assert_array_equal(band.least[0, known], np.nanmin(finite[known], axis=1))
    np.testing.assert_array_equal(band.greatest[0, known], np.nanmax(finite[known], axis=1))
    assert np.isnan(band.mean[0, 50])
    assert band.nonfinite[0].sum() == 3


ODD = (0.0, 1e-45, 1e-30, 1e-9, 0.5, 1.0, 1e5, 1e30, math.nan, math.inf, -math.inf)


@given(
    steps=st.integers(1, 600),
    size=st.sampled_from([1, 7, 64, 1000]),
    odd=st.lists(
        st.tuples(st.integers(0, 599), st.integers(0, 5), st.sampled_from(ODD)), max_size=30
    ),
)
def test_every_training_can_be_drawn_in_batches_of_any_size(make, steps, size, odd):
    training = make.Training(steps=steps, every=3).replace(clips=CLIP)
    for row, which, value in odd:
        if which < 3:
            training.norms[row % steps, which] = abs(value)
        elif which == 3:
            training.global_norm[row % steps] = abs(value)
        elif which == 4:
            training.loss[row % steps] = value
        else:
            training.weight_norm[row % len(training.weight_norm), 0] = abs(value)
    whole = draw_pictures(training.evidence())
    assert [picture.name for picture in whole] in [list(NAMES), [*NAMES[:3], NAMES[4]]]
    for picture in whole:
        check(picture)
    one, other = history_of(training.evidence()), history_of(training.evidence(size))
    for name in ("loss", "global_norm", "clipped_norm", "norms", "ratios"):
        for values in ("least", "mean", "greatest", "nonfinite"):
            series = getattr(one, name), getattr(other, name)
            if series != (None, None):
                both = [getattr(band, values) for band in series]
                np.testing.assert_allclose(*both, rtol=1e-9, atol=1e-9)


# --- Names, places, sizes --------------------------------------------------------------------
@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "]]>&\"'<svg onload=x>",
        "a\x1b[31mred\x00",
        "\u202edesrever",
        "x" * 70_000,
    ],
)
def test_a_name_can_do_nothing(make, evil):
    training = make.Training(paths=(f"{evil}/kernel", "head/kernel")).replace(clips=CLIP)
    training.norms[5:, 0] = math.nan
    verdict = make.verdict(training, make.rule("gradient.nonfinite", id="nan"))
    pictures = draw_pictures(training.evidence(), verdict)
    assert len(pictures) == 5
    page = render_html(verdict, pictures)
    assert "<script" not in page
    assert len(page) < 150_000
    for picture in pictures:
        check(picture)
        assert len(picture.file()) < 40_000
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e]", picture.shapes)


def test_a_place_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="must be finite, got nan"):
        Sheet(10, 10).line("axis", 0, 0, math.nan, 0)
    assert [fixed(value) for value in (-0.04, 1.0, 2.25)] == ["0", "1", "2.2"]


def test_a_long_name_is_cut_in_the_middle():
    assert cut("encoder/block_12/attention/query", 16) == "encoder\u2026on/query"
    assert cut("short", 16) == "short"


def test_the_report_of_a_hundred_variables_is_small(make):
    rng = np.random.default_rng(0)
    paths = [f"dense_{i // 2}/{'kernel' if i % 2 else 'bias'}" for i in range(100)]
    training = make.Training(steps=20_000, paths=paths).replace(clips=CLIP)
    training.norms = rng.lognormal(-3, 2, training.norms.shape).astype(np.float32)
    training.loss = rng.lognormal(size=20_000).astype(np.float32)
    verdict = make.verdict(training, make.rule("gradient.nonfinite"))
    assert len(render_html(verdict, draw_pictures(training.evidence(), verdict))) < 500_000


# --- The report ------------------------------------------------------------------------------
def test_the_report_shows_the_same_drawings_as_the_files_and_needs_nothing(sick):
    training, verdict = sick
    pictures = draw_pictures(training.evidence(), verdict)
    page = render_html(verdict, pictures)
    for picture in pictures:
        assert picture.inline() in page
        assert picture.shapes in picture.file()
    assert plots_style() in page
    assert not re.search(r"<script|src=|href=|url\(|=.?https?://", page)
    assert page.count('<figure class="plot card wide">') == 1
    assert page.count('<figure class="plot card">') == 4
    assert "The training in pictures" not in render_html(verdict)


def test_pictures_do_not_change_the_verdict(sick):
    training, verdict = sick
    before = verdict.verdict_id
    draw_pictures(training.evidence(), verdict)
    assert isinstance(verdict, Verdict)
    assert verdict.computed_id() == before
