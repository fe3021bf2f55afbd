"""Whatever is written for MLflow holds nothing secret."""

import io
import logging

import pytest

from gradgate.telemetry.sinks.mlflow_secrets import ScrubbedStream, scrub


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct horse")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr/K7")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("SHORT_TOKEN", "abc")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("http://hanna:pa@ss@host:5000/api", "http://***@host:5000/api"),
        (
            "postgresql+psycopg2://u:p@db/mlflow failed",
            "postgresql+psycopg2://***@db/mlflow failed",
        ),
        ("s3://KEY:wJalr/K7@bucket/model", "s3://***@bucket/model"),
        ("the password is correct horse.", "the password is ***."),
        ("Authorization: Basic aGFubmE6cGFzcw==", "Authorization: Basic ***"),
        ("Authorization: Bearer abcd.efgh", "Authorization: Bearer ***"),
        ("https://host/x?sig=abc%3D&other=1", "https://host/x?sig=***&other=1"),
        ("token=abc, password=def", "token=*** password=***"),
    ],
)
def test_secrets_are_hidden(said, written):
    assert scrub(said) == written


@pytest.mark.parametrize(
    "said",
    [
        "false alarm about abc",  # neither a setting nor what is too short is a secret
        "Basic training took 3 s",
        "http://127.0.0.1:5000/#/experiments/1/runs/2?workflowType=machine_learning",
        "models:/taxi@champion",
        "https://host/path, ask ops@example.com",
    ],
)
def test_what_is_no_secret_stays(said):
    assert scrub(said) == said


def test_a_log_on_a_scrubbed_stream_hides_secrets_in_a_crash_too():
    written = io.StringIO()
    log, handler = logging.getLogger("crash"), logging.StreamHandler(ScrubbedStream(written))
    log.addHandler(handler)
    try:
        raise OSError("http://u:secret@host is away")
    except OSError:
        log.exception("not sent")
    finally:
        log.removeHandler(handler)
    assert "http://***@host is away" in written.getvalue()
    assert "u:secret" not in written.getvalue().splitlines()[-1]
