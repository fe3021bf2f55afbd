"""What every cause must do. A new one is a line in `ALL`, and is asked here."""

import math
import re

import pytest

from gradgate.contracts import ModelCard, Summary
from gradgate.contracts.summary import ReplicaSummary
from gradgate.diagnosis.causes import ALL, STAGES
from gradgate.diagnosis.finding_causes import prescription
from gradgate.diagnosis.rank import ranked
from gradgate.diagnosis.symptom import KINDS
from gradgate.diagnosis.training import Training
from gradgate.gate.signals import CATALOGUE

every_cause = pytest.mark.parametrize("known", ALL, ids=lambda known: known.id)


def place(signal):
    return "net/hidden_0" if signal.startswith("activation.") else "net/hidden_0/kernel"


def faulty(make):
    """One training with all that can be wrong with it at once, for every cause a reason."""
    net = make.Net(depth=6, activation="sigmoid")
    net.measured("net/hidden_0/kernel", mean_abs=make.series(1e-9), first_nonfinite_step=3)
    net.measured("net/hidden_1/kernel", weight_norm=make.series(640.0))
    net.variable("net/hidden_2/kernel", initializer="Zeros")
    net.variable("net/hidden_3/kernel", has_gradient=False)
    net.variable("net/output/kernel", dtype="float16")
    net.variables.append(
        net.variables[0].model_copy(update={"path": "net/words/embeddings", "layer": "words"})
    )
    net.variables.append(
        net.variables[0].model_copy(
            update={"path": "net/reader/recurrent_kernel", "layer": "reader"}
        )
    )
    net.numbers["net/words/embeddings"] = net.numbers["net/hidden_1/kernel"].model_copy(
        update={"path": "net/words/embeddings"}
    )
    net.layers.append(
        make.LayerCard(
            name="norm", path="norm", kind="BatchNormalization", class_name="BatchNormalization"
        )
    )
    net.looked("net/hidden_0", zero_fraction=1.0)
    net.card |= {
        "batch_size": 1,
        "precision": "float16",
        "clips": ({"name": "clip_by_global_norm", "max_norm": 0.01},),
        "losses": (make.LossCard(name="sparse_categorical_crossentropy", from_logits=True),),
        "inputs": (
            make.InputCard(
                name="x",
                examples=32,
                mean=300.0,
                std=200.0,
                low=0.0,
                high=4000.0,
                nonfinite=3,
                source="the first batch",
            ),
        ),
    }
    replicas = (
        ReplicaSummary(name="worker 0"),
        ReplicaSummary(name="worker 1", nonfinite_steps=1, first_nonfinite_step=3),
    )
    net.summary |= {
        "clipped_steps": 100,
        "loss": make.series(2.0, least=-3.0),
        "replicas": replicas,
    }
    symptoms = [
        make.symptom(s, low=low, variable=place(s), step=3) for s in KINDS for low in (0, 1)
    ]
    symptoms.append(make.symptom("gradient.global_norm", kind="changed"))
    return net, symptoms


@pytest.fixture
def sick(make):
    net, symptoms = faulty(make)
    return net.training(*symptoms)


@pytest.fixture
def slow(make):
    """What excludes the others: no clip, no NaN, a rate that is far too low, large labels."""
    net = make.Net()
    net.card |= {
        "optimizer_config": {"learning_rate": 1e-9},
        "losses": (make.LossCard(name="mean_squared_error", output=0),),
    }
    net.summary["constant_loss"] = 5929.0  # of labels up to 346
    for path in net.numbers:
        net.measured(path, update_ratio=make.series(1e-9))
    return net.training(make.symptom("loss"))


@pytest.fixture
def plain(make):
    """A plain deep model without normalisation, whose gradient vanishes."""
    net = make.Net(depth=8)
    net.measured("net/hidden_0/kernel", mean_abs=make.series(1e-9))
    return net.training(make.symptom("variable.mean_abs", low=True))


def found_in(known, *trainings):
    causes = [cause for training in trainings if (cause := known.find(training))]
    assert causes, f"{known.id} was found in none of the trainings that have it"
    return causes[0]


@every_cause
def test_it_is_found_and_says_all_that_a_person_needs(known, sick, slow, plain):
    cause = found_in(known, sick, slow, plain)
    assert cause.title == known.title
    assert cause.title[0].isupper() or cause.title[0].isdigit()
    assert cause.title[-1] != "."
    for sentence in (cause.meaning, cause.change):
        assert sentence.endswith("."), sentence
        assert sentence[0] == sentence[0].upper(), sentence
    assert cause.source
    assert cause.because
    assert cause.rules


@every_cause
def test_it_shows_numbers(known, sick, slow, plain):
    cause = found_in(known, sick, slow, plain)
    assert any(any(c.isdigit() for c in number) for number in cause.numbers), cause.numbers
    assert len(cause.numbers) <= 5


@every_cause
def test_nothing_that_is_not_known_is_said(known, sick, slow, plain):
    cause = found_in(known, sick, slow, plain)
    said = " ".join([cause.change, cause.because, *cause.numbers, *cause.snippet, cause.meaning])
    assert "None" not in said
    assert not re.search(r"\bnan\b", said)


@every_cause
def test_the_code_is_short_and_names_what_the_training_has(known, sick, slow, plain):
    cause = found_in(known, sick, slow, plain)
    assert len(cause.snippet) <= 3
    assert all(len(line) <= 80 for line in cause.snippet), cause.snippet
    if cause.layer:
        names = {v.layer for v in sick.variables} | {c.name for c in sick.card.layers}
        assert cause.layer in names


@every_cause
def test_it_is_not_suspected_in_a_training_where_nothing_failed(known, make):
    assert known.find(make.Net().training()) is None


@every_cause
def test_it_does_not_break_where_little_is_known(known, make):
    bare = ModelCard(model_name="m", variables=(), optimizer="")
    for signal in KINDS:
        for low in (False, True):
            for value in (0.5, 0.0, math.nan):
                symptoms = (make.symptom(signal, low=low, value=value, message=""),)
                training = Training(symptoms=symptoms, card=bare, summary=Summary())
                cause = known.find(training)
                assert cause is None or "None" not in f"{cause.change}{cause.numbers}"


@pytest.mark.parametrize("signal", CATALOGUE)
@pytest.mark.parametrize("low", [False, True])
def test_every_signal_that_fails_has_a_cause(signal, low, make):
    """Also of an ordinary training that gives no other hint."""
    training = make.Net().training(make.symptom(signal, low=low, variable="net/hidden_0/kernel"))
    causes = ranked((c for known in ALL if (c := known.find(training))), {f"rule-of-{signal}"})
    assert prescription(f"rule-of-{signal}", causes)
    assert all(cause.numbers for cause in causes)


def test_each_has_a_name_and_a_stage_of_its_own():
    assert len({known.id for known in ALL}) == len(ALL)
    assert len({known.title for known in ALL}) == len(ALL)
    assert {known.stage for known in ALL} == set(STAGES)


def test_every_signal_of_the_catalogue_is_a_kind_of_trouble():
    assert set(KINDS) >= set(CATALOGUE) - {"replica.nonfinite", "replica.loss_ratio"}
