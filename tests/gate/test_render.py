"""What a verdict looks like: to programs, in a terminal, in a pull request, in a browser."""

import html.parser
import json
import math
import re

import pytest

from gradgate.contracts import Verdict
from gradgate.contracts.health import BoundModel, FileDigest, Resume
from gradgate.contracts.verdict import OtherBlessing
from gradgate.gate import ModelCheck, blocked_verdict, load_policy, read_policy
from gradgate.gate.integrity.tensor_bundle import TensorCount
from gradgate.gate.render import FORMATS, explain, render, view
from gradgate.gate.render.clean import clean_text
from gradgate.gate.render.sparkline import draw

DIGEST = "sha256:" + "a" * 64
FILES = (FileDigest(path="saved_model.pb", size=1, sha256="sha256:" + "b" * 64),)
MODEL = ModelCheck(
    tree=BoundModel(digest=DIGEST, files=FILES),
    training_uid="run-1",
    weights=tuple(
        TensorCount(
            name=path,
            key=path,
            dtype="float32",
            shape=shape,
            nonfinite=0,
            sha256=f"sha256:of {path}",
        )
        for path, shape in (("first/kernel", (4, 8)), ("first/bias", (8,)), ("head/kernel", (4, 8)))
    ),
)


@pytest.fixture(scope="module")
def policy(request):
    return load_policy(read_policy(request.config.rootpath / "pipeline/policies/default.yaml"))


@pytest.fixture
def judged(make, policy):
    """Verdicts of the three ways that a training can go, under the default policy."""

    def judged(name):
        training = make.Training()
        training.replace(model=BoundModel(digest=DIGEST, files=FILES), mlflow_run_id="f00")
        others = ()
        if name == "nan":
            training.norms[37:, 0] = math.nan
            training.global_norm[37:] = math.nan
            training.mean_abs[1:, 0] = training.max_abs[1:, 0] = math.nan
            training.loss[:] = 0.544
            training.replace(resumes=(Resume(at_step=120, reason="restart from a checkpoint"),))
        elif name == "saturated":
            training.clipped[:] = True
            training.clip_scale[:] = 0.02
            training.replace(clips=({"name": "clip_by_global_norm", "max_norm": 0.01},))
            training.summary = training.summary.model_copy(
                update={"clip_scale": training.summary.clip_scale.model_copy(update={"total": 6.0})}
            )
        elif name in {"shadow", "waived"}:
            training.norms[37:, 0] = 2000
            training.loss[:] = 0.7
        elif name == "refused":
            training.applied[60] = False
            others = (OtherBlessing(source="Evaluator", blessed=False, same_model=True),)
        options = {"policy": policy, "model": MODEL, "training_only": False, "others": others}
        if name == "shadow":
            changes = {"mode": "shadow", "shadow_rules": ("better-than-constant",)}
            options["policy"] = policy.model_copy(update=changes)
        elif name == "waived":
            known = {"policy": "default", "reason": "a new loss, TICKET-381"}
            layers = {"scope": {"layers": ["first/**"]}}
            options["waivers"] = make.waivers(
                {"rule": "exploding-gradient", **known, **layers},
                {"rule": "better-than-constant", **known},
                {"rule": "dead-kernel", **known, "expires": "2026-11-20T00:00:00Z"},
            )
        return make.verdict(training, **options)

    return judged


NAMES = ("sound", "nan", "saturated", "refused", "shadow", "waived")
every_verdict = pytest.mark.parametrize("name", NAMES)


@every_verdict
@pytest.mark.parametrize("form", FORMATS)
def test_golden(judged, golden, name, form):
    # The versions of gate and record are in a verdict, and so in its id; not what is tested here.
    suffix = {"markdown": "md", "text": "txt", "junit": "xml"}.get(form, form)
    golden(f"gate/{name}.{suffix}", render(steady(judged(name)), form))


@every_verdict
def test_golden_explanation(judged, golden, name):
    golden(f"gate/{name}.explained.txt", explain(steady(judged(name))))


def steady(verdict):
    inputs = verdict.inputs.model_copy(update={"gate_version": "0", "record_schema": "1.0"})
    reference = inputs.policy.model_copy(update={"sha256": "sha256:" + "c" * 64})
    fixed = verdict.model_copy(update={"inputs": inputs.model_copy(update={"policy": reference})})
    return fixed.sealed()


def test_an_unknown_format_is_named():
    with pytest.raises(ValueError, match="no format 'pdf'; use one of text, json, markdown, html"):
        render(None, "pdf")


@every_verdict
def test_json_reads_back_to_the_same_verdict(judged, name):
    verdict = judged(name)
    again = Verdict.model_validate_json(render(verdict, "json"))
    assert again.document() == verdict.document()
    assert again.computed_id() == verdict.verdict_id


# --- HTML ------------------------------------------------------------------------------------
class Reader(html.parser.HTMLParser):
    """Collects tags, attributes and text, and checks that tags are closed."""

    VOID = frozenset({"meta", "line", "circle", "path", "polyline", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], set(), [], []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


@every_verdict
def test_the_report_is_one_file_that_needs_nothing(judged, name):
    text = render(judged(name), "html")
    reader = read(text)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "embed", "base"}
    assert not [value for key, value in reader.attributes if key in {"src", "href", "srcset"}]
    assert not re.search(r"<[^>]*https?://", text)  # a source may be named, nothing is fetched
    assert "://" not in text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    printed = text[text.index("@media print") :]
    assert ".scroll { overflow: visible; }" in printed, "a column would be cut off"
    assert "::details-content { content-visibility: visible" in printed, "what is folded is lost"


def test_the_report_says_in_its_first_screen_what_why_where_and_what_to_do(judged):
    words = " ".join(" ".join(read(render(judged("nan"), "html")).words).split())
    hero = words[: words.index("15 rules: ")]
    for fact in ("BLOCK", "37", "first/kernel", "263 of 300 steps", "= 0", "What to change"):
        assert fact in hero
    assert "Find the columns with missing values, and fill or drop them" in hero
    assert "gradgate check RECORD --model MODEL --policy POLICY --as-of" in words
    assert "a pass does not mean the model is good" in words


def test_evidence_of_any_length_is_drawn(judged):
    verdict = judged("nan")
    drawing = draw(next(f for f in verdict.findings if f.id == "exploding-gradient"))
    assert len(drawing.crosses) == 21
    assert len(drawing.dots) == 20
    assert drawing.offence is not None
    assert drawing.limit is not None
    assert draw(next(f for f in verdict.findings if f.status == "pass")) is None


def test_an_indicator_is_drawn_between_0_and_1(judged):
    # Clipped on all steps: a line along the upper edge, 22 below the top, and none in mid-air.
    finding = next(f for f in judged("saturated").findings if f.id == "clip-saturation")
    drawing = draw(finding)
    assert {y for _, y in drawing.dots} == {22.0}
    assert (drawing.least, drawing.greatest) == ("0", "1")
    assert drawing.limit == 66.0  # 0.5, in the middle of 22 and 110
    far = finding.model_copy(update={"expect": {"op": "<=", "value": 2}})
    assert draw(far).limit is None


def test_shares_are_in_percent_in_every_form(judged):
    verdict = judged("saturated")
    assert "| 100% | ≤ 50% |" in render(verdict, "markdown").replace("&lt;=", "≤")
    words = " ".join(" ".join(read(render(verdict, "html")).words).split())
    assert "Observed 100% of applied steps Expected ≤ 50%" in words
    assert "84.98% ≥ 1%" in words  # loss-improves
    assert "0.02 ≥ 0.1" in words  # a mean of factors is no share


def test_a_share_is_shown_without_the_unit_of_its_signal(make, training):
    share = {"aggregate": {"portion": 0.1}, "severity": "warn"}
    training.loss[:] = 0.5
    finding = make.finding(training, "loss.vs_constant", "improvement", ">=", 0.1, **share)
    assert view.unit(finding) == ""
    assert view.observed(finding) == "0%"
    assert finding.unit != ""


def test_what_a_rule_asks_is_not_said_to_be_what_happened(judged):
    verdict = judged("nan")
    rule = "No NaN or infinite gradient was applied."
    assert f"The rule: {rule}" in render(verdict, "html")
    assert f"- **The rule** {rule}" in render(verdict, "markdown")
    assert f"the rule        {rule}" in explain(verdict)
    for text in (render(verdict, "html"), render(verdict, "markdown"), explain(verdict)):
        assert "why it matters" not in text.lower()


def test_on_a_narrow_screen_the_table_of_rules_is_stacked(judged):
    text = render(judged("nan"), "html")
    narrow = text[text.index("@media (max-width: 40rem)") : text.index("@media print")]
    assert ".rules tbody, .rules tr, .rules td { display: block; }" in narrow
    assert "white-space: normal" in narrow
    assert text.count('<table class="rules">') == 1
    for name in ("Observed", "Expected", "First offence"):
        assert text.count(f'data-name="{name}"') == 15


EVIL = (
    "<script>alert(1)</script>",
    "a\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "\u202edesrever",
    "x' onmouseover='alert(1)",
    "| *table* | `code` [link](javascript:alert(1))",
    "line\nbreak\r\ttab\0nul\x9bcsi",
    "</style><style>*{display:none}",
    "{{ 7 * 7 }}{% for x in y %}",
)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("form", FORMATS)
def test_a_layer_name_can_do_nothing(make, form, evil):
    training = make.Training(paths=(f"{evil}/kernel", "head/kernel"))
    training.norms[5, 0] = math.nan
    training.without_gradient(1)
    training.replace(training_uid=evil, status="failed", status_message=evil)
    rules = [
        make.rule("gradient.nonfinite_applied", id="nan"),
        make.rule("variable.norm", "max", "<", 1e9, id="norm", description=evil),
    ]
    verdict = make.verdict(training, *rules)
    for text in (render(verdict, form), explain(verdict)):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    text = render(verdict, form)
    if form == "html":
        assert read(text).tags == read(render(make.verdict(make_plain(make), *rules), form)).tags
        assert not [key for key, _ in read(text).attributes if key.startswith("on")]
        assert "49" not in " ".join(read(text).words).split()
    if form == "markdown":
        assert "<script" not in text
        assert "](javascript" not in text
        assert all(line.count(" | ") == 4 for line in text.splitlines() if line.startswith("| ⛔"))


def make_plain(make):
    training = make.Training(paths=("plain/kernel", "head/kernel"))
    training.norms[5, 0] = math.nan
    training.without_gradient(1)
    return training.replace(status="failed", status_message="plain")


def test_a_name_of_64_kilobytes_is_cut(make):
    training = make.Training(paths=("x" * 65536 + "/kernel", "head/kernel"))
    training.norms[5, 0] = math.nan
    verdict = make.verdict(training, make.rule("gradient.nonfinite"))
    assert all(len(render(verdict, form)) < 100_000 for form in ("text", "markdown", "html"))


def test_a_lone_surrogate_is_replaced():
    assert clean_text("a\ud800b") == "a?b"


# --- Words -----------------------------------------------------------------------------------
def test_a_verdict_without_rules_can_be_shown_in_every_form():
    verdict = blocked_verdict("P-INVALID", "policy.yaml:1:1: rules is missing", as_of="2026")
    for form in FORMATS:
        assert "P-INVALID" in render(verdict, form)
    assert "policy.yaml:1:1: rules is missing" in explain(verdict)


def test_text_is_one_line_a_rule_and_says_the_end(judged):
    lines = render(judged("sound"), "text").splitlines()
    assert lines[0] == "OK: 14 of 14 rules passed"
    assert lines[-1] == "blessed"
    assert sum(line.startswith("ok    ") for line in lines) == 15  # and one of integrity
    assert render(judged("refused"), "text").splitlines()[-1] == "not blessed"


def test_text_shows_what_is_wrong_with_the_evidence(make, training):
    training.replace(observed_steps=7)
    text = render(make.verdict(training, make.rule("step.skipped")), "text")
    assert "BLOCK T-TRUNCATED: the manifest speaks of 7 steps and the record holds 300" in text


def test_explains_one_rule_that_is_asked_for(judged):
    text = explain(judged("nan"), "loss-improves")
    assert "warn loss-improves" in text
    assert "nonfinite-loss" not in text
    with pytest.raises(ValueError, match="no rule 'x'; its rules are nonfinite-gradient, "):
        explain(judged("nan"), "x")


def test_a_training_without_a_model_is_said_to_be_one(make, training):
    text = render(make.verdict(training, make.rule("step.skipped")), "text")
    assert "The training was judged without a model, so there is nothing to push." in text
    assert "--training-only" in explain(make.verdict(training, make.rule("step.skipped")))


def test_between_and_unknown_and_error_are_shown(make, training):
    between = {
        "signal": "clip.scale",
        "aggregate": {"fn": "mean"},
        "expect": {"op": "between", "low": 2, "high": 3},
    }
    unknown = make.rule("variable.norm", "max", "<", 1, scope={"include": ["x"]})
    wrong = make.rule("no.signal", "max", "<", 1)
    verdict = make.verdict(training, between, unknown, wrong)
    text = render(verdict, "markdown")
    assert "| 1 | 2 to 3 |" in text
    assert "| not measured | &lt; 1 |" in text
    assert "| rule broke | &lt; 1 |" in text
    assert json.loads(render(verdict, "json"))["decision"] == "block"
