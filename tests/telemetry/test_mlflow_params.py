"""A run's parameters: what one would want to search and compare by."""

from gradgate.contracts import DataSource, Manifest
from gradgate.telemetry.sinks.mlflow_params import data_params, training_params


def test_a_schedule_reads_as_one_would_write_it(card):
    schedule = {
        "module": "keras.optimizers.schedules",
        "class_name": "CosineDecay",
        "config": {"initial_learning_rate": 0.1, "decay_steps": 900, "name": "c", "alpha": None},
        "registered_name": None,
    }
    config = {"name": "adam", "learning_rate": schedule, "beta_1": 0.9, "clipnorm": None}
    changed = card.model_copy(update={"optimizer_config": config, "strategy": "MirroredStrategy"})
    params = training_params(changed.model_dump_json().encode(), 900)
    wanted = "CosineDecay(initial_learning_rate=0.1, decay_steps=900)"
    assert params["optimizer.learning_rate"] == wanted
    assert params["optimizer.beta_1"] == 0.9
    assert params["run.strategy"] == "MirroredStrategy"
    assert params["run.planned_steps"] == 900
    assert "optimizer.clipnorm" not in params


def test_data_are_named_in_the_letters_that_mlflow_takes():
    data = (DataSource(name="examples/eval[0] (names and sizes)", digest="sha256:1"),)
    manifest = Manifest(
        training_uid="t",
        status="completed",
        instrumented=True,
        observed_steps=0,
        data=data,
        started_at="2026-01-31T12:00:00Z",
        finished_at="2026-01-31T12:00:00Z",
    )
    assert data_params(manifest) == {"data.examples/eval_0_ names and sizes": "sha256:1"}
