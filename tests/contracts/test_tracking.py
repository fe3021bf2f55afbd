"""Where a training is mirrored: no secrets in what others can read."""

import pytest
from pydantic import ValidationError

from gradgate.contracts import Tracking


def test_an_address_with_a_password_is_refused_with_the_remedy():
    with pytest.raises(ValidationError, match="Put them into MLFLOW_TRACKING_USERNAME"):
        Tracking(uri="https://me:secret@mlflow.example.com")


@pytest.mark.parametrize("uri", [None, "http://mlflow:5000", "sqlite:////data/mlflow.db"])
def test_an_address_without_one_is_taken(uri):
    assert Tracking(uri=uri).uri == uri


def test_settings_survive_json():
    tracking = Tracking(experiment="e", wait_seconds=0.0)
    assert Tracking.model_validate_json(tracking.model_dump_json()) == tracking


@pytest.mark.parametrize("name", ["a/b", "a:1", "Anna's", " "])
def test_a_name_that_the_registry_would_refuse_at_the_push_is_refused_at_once(name):
    with pytest.raises(ValidationError, match=r"no name for a model in MLflow's registry\. Leave"):
        Tracking(registered_model=name)
