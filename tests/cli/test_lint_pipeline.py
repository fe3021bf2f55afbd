"""`gradgate lint-pipeline`: what can be said without TFX. The rest is in tests/tfx."""

import sys

import pytest


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("nothing", "name a module and a function, such as pipeline:create; got 'nothing'"),
        (":make", "name a module and a function, such as pipeline:create; got ':make'"),
        ("no_such_module:make", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("made:nothing", "made:nothing: AttributeError: module 'made' has no attribute 'nothing'"),
        ("made:broken", "made:broken: ValueError: the table is not there"),
    ],
)
def test_what_makes_no_pipeline_is_wrong_usage(call, tmp_path, argument, reason):
    (tmp_path / "made.py").write_text(
        "def broken():\n    raise ValueError('the table is not there')\n"
    )
    path = list(sys.path)
    done = call("lint-pipeline", argument)
    sys.modules.pop("made", None)
    assert done.returncode == 2
    assert done.stderr.startswith("cannot lint: ")
    assert reason in done.stderr
    assert sys.path == path


def test_without_tfx_it_says_what_to_install(call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tfx", None)
    (tmp_path / "making.py").write_text("pipeline = 1\n")
    done = call("lint-pipeline", "making:pipeline")
    assert done.returncode == 2
    assert "TFX cannot be imported" in done.stderr
    assert "install gradgate[tfx]" in done.stderr


def test_what_their_code_prints_is_kept_from_the_answer(call, tmp_path):
    (tmp_path / "talking.py").write_text(
        "import warnings\n"
        "print('loading the table')\n"
        "warnings.warn_explicit('buy ours', FutureWarning, 'x.py', 1, module='google.cloud.ai')\n"
        "def make():\n    raise ValueError('the table is not there')\n"
    )
    done = call("lint-pipeline", "talking:make")
    sys.modules.pop("talking", None)
    assert done.stdout == ""
    assert done.stderr.startswith("loading the table\ncannot lint: talking:make: ValueError")
