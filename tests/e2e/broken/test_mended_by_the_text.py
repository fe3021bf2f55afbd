"""Broken programs are explained well enough to be mended by who knows no gradients.

A few of `make explanations`, each trained as it is, and again with what its text says changed.
"""

import pytest
from programs import ALL

from gradgate.diagnosis import telling
from gradgate.gate import Evidence, judge, load_policy, read_policy
from gradgate.gate.render import explain, render
from gradgate.telemetry.reader import open_record
from gradgate.telemetry.sinks.mlflow_page import note

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def policy(request):
    return load_policy(read_policy(request.config.rootpath / "pipeline/policies/default.yaml"))


@pytest.fixture
def judged(policy, tmp_path):
    def judged(name, state):
        getattr(ALL[name], state)(1).train(tmp_path / state)
        evidence = Evidence.of(open_record(tmp_path / state))
        time = "2099-01-01T00:00:00Z"
        return judge(policy, evidence, model=None, as_of=time, training_only=True)

    return judged


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        pytest.param(
            "missing_values",
            "this belongs into preprocessing_fn, so that serving does the same",
            "x = np.where(np.isfinite(x), x, np.nanmean(x, axis=0))",
            marks=pytest.mark.half("first"),
        ),
        pytest.param(
            "squashed_output",
            "Take sigmoid away from output: it ends at 0 and 1, and the labels do not.",
            'keras.layers.Dense(1, name="output")  # was sigmoid',
            marks=pytest.mark.half("second"),
        ),
        pytest.param(
            "learning_rate_too_high",
            "Lower the learning rate from 1 to 0.001 and train again",
            "optimizer = keras.optimizers.Adam(learning_rate=0.001)  # was 1",
            marks=pytest.mark.half("first"),
        ),
        pytest.param(
            "clip_too_tight",
            "ClipByGlobalNorm(max_norm=0.001) acts on most steps: raise its limit to 1.1",
            "clip = gradgate.ClipByGlobalNorm(max_norm=1.1)  # was 0.001",
            marks=pytest.mark.half("second"),
        ),
    ],
)
def test_what_the_text_says_mends_the_program(judged, name, said, code):
    sick = judged(name, "sick")
    assert sick.decision == "block"
    first = telling.shown_first(sick)[0]
    assert first.id == ALL[name].CAUSE
    assert said in first.change
    assert code in first.snippet
    for text in (explain(sick), render(sick, "text"), render(sick, "html"), note(sick)):
        assert first.title in text
        assert first.change[:40] in " ".join(text.split())
    assert judged(name, "cured").decision == "ok"
