"""`gradgate lint`: a model from code, from a file, from a record; what is said, and the status."""

import json
import sys

import keras
import numpy as np
import pytest

from gradgate.contracts import LayerCard, ModelCard

layers = keras.layers
CODE = """
import keras
import numpy as np


def sick():
    model = keras.Sequential(
        [
            keras.Input((4,), name="features"),
            keras.layers.Dense(8, name="hidden"),
            keras.layers.Dense(1, "softmax", name="out"),
        ],
        name="sick",
    )
    model.compile(keras.optimizers.Adam(0.5), "binary_crossentropy")
    return model


def excused():
    # gradgate: ignore[softmax-on-one-unit, missing-activation] kept as a bad example
    return sick()


def unnamed():
    # gradgate: ignore
    return sick()


def data():
    return np.full((8, 4), 30_000.0)


def number():
    return 7


def broken():
    raise ValueError("the vocabulary is not there")


sound = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name="sound")
"""


@pytest.fixture
def lint(call, tmp_path, monkeypatch):
    """Runs `gradgate lint` in a folder with the code."""
    (tmp_path / "models.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield lambda *arguments: call("lint", *map(str, arguments))
    sys.modules.pop("models", None)


def test_it_says_what_is_wrong_what_to_do_and_what_was_not_asked(lint):
    done = lint("models:sick")
    assert done.returncode == 10
    assert done.stdout == (
        "models:sick: model sick, 2 layers and operations, Adam, binary_crossentropy\n"
        "\n"
        "error softmax-on-one-unit\n"
        "  what  out: softmax over one unit is 1 whatever comes in, so nothing before it gets a\n"
        "        gradient\n"
        '  do    set activation="sigmoid" for two classes, or give one unit per class\n'
        "\n"
        "warning missing-activation\n"
        "  what  hidden and out have no activation between them: two linear layers are one, of\n"
        "        rank 8 at most\n"
        '  do    give hidden an activation, such as "relu"\n'
        "\n"
        "warning learning-rate-bounds\n"
        "  what  Adam: a learning rate of 0.5 is above 0.03, where training is likely to diverge\n"
        "  do    usual for Adam: 0.0001 to 0.001\n"
        "\n"
        "not asked, or not of all layers\n"
        "  inputs-not-normalised  no examples were given to look at (--data)\n"
        "\n"
        "1 error, 2 warnings; 14 rules passed, 1 not asked in full\n"
    )


def test_a_sound_one_passes_and_a_model_need_not_come_from_a_function(lint):
    done = lint("models:sound", "--data", "models:data")
    assert "warning inputs-not-normalised" in done.stdout
    assert (done.returncode, lint("models:sound").returncode) == (0, 0)
    assert lint("models:sound", "--data", "models:data", "--fail-on-warn").returncode == 11


def test_what_is_let_go_by_is_listed_as_ignored(lint, tmp_path):
    done = lint("models:excused", "--ignore", "learning-rate-bounds")
    assert done.returncode == 0
    assert "ignored\n  learning-rate-bounds\n" not in done.stdout  # in the order of the findings
    assert "3 ignored" in done.stdout
    (tmp_path / "gradgate-lint.yaml").write_text(
        "ignore:\n  - rule: softmax-on-one-unit\n    layers: [o*]\n    reason: a bad example\n"
    )
    found = json.loads(lint("models:sick", "--format", "json").stdout)
    assert [each["layer"] for each in found["ignored"]] == ["out"]
    assert found["counts"] == {"error": 0, "warning": 2, "info": 0}


@pytest.mark.parametrize(
    ("arguments", "config", "said"),
    [
        (["models:sick", "--ignore", "softmax-one-unit"], "", "did you mean softmax-on-one"),
        (["models:unnamed"], "", "must name its rules: # gradgate: ignore[RULE]"),
        (["models:sick"], "ignore:\n  - rule: nothing\n    reason: r\n", "ignore[0].rule"),
        (["models:sick"], "severity: {relu-with-glorrot: info}\n", "did you mean relu-with-glorot"),
        (["models:sick"], "ignore:\n  - rule: missing-activation\n", "reason"),
    ],
)
def test_a_wrong_exception_is_refused_with_13(lint, tmp_path, arguments, config, said):
    if config:
        (tmp_path / "gradgate-lint.yaml").write_text(config)
    done = lint(*arguments)
    assert (done.returncode, done.stdout) == (13, "")
    assert done.stderr.startswith("cannot lint: ")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("named", "status", "said"),
    [
        ("nothing", 2, "name a .keras file, module:function, or a health record; got 'nothing'"),
        ("models:nobody", 2, "models:nobody: the module models has no nobody"),
        ("no_such:thing", 2, "no_such: ModuleNotFoundError: No module named 'no_such'"),
        ("models:number", 12, "models:number: expected a Keras 3 model, got int"),
        ("models:broken", 12, "models:broken: ValueError: the vocabulary is not there"),
        ("away.keras", 12, "away.keras: there is no such file"),
        ("models.py", 12, "models.py cannot be read: "),
        (".", 12, ". is a folder: a SavedModel tells no layers. Name a .keras file, or module:fun"),
    ],
)
def test_what_is_no_model_is_said_so(lint, named, status, said):
    done = lint(named)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"cannot lint: {said}")


def test_a_file_is_read_and_code_inside_of_it_is_not_run(lint, tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, "softmax", name="out")])
    model.save(tmp_path / "plain.keras")
    done = lint("plain.keras")
    assert (done.returncode, "not compiled" in done.stdout) == (10, True)
    (tmp_path / "torn.keras").write_bytes((tmp_path / "plain.keras").read_bytes()[:500])
    done = lint("torn.keras")
    assert done.stderr == (
        "cannot lint: torn.keras is no Keras model: a .keras file is a zip archive\n"
    )
    model = keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: 2 * x), layers.Dense(1)])
    model.save(tmp_path / "code.keras")
    done = lint("code.keras")
    assert done.returncode == 12
    assert "code.keras holds code of its own (a Lambda), which loading would run." in done.stderr
    assert "--run-code" in done.stderr


def test_a_file_of_classes_of_ones_own_says_how_to_go_on(lint, tmp_path):
    class Own(layers.Dense):
        pass

    keras.Sequential([keras.Input((2,)), Own(1)]).save(tmp_path / "own.keras")
    done = lint("own.keras")
    assert done.returncode == 12
    assert "name module:function for the code that makes the model, or --import" in done.stderr


def test_a_loss_that_cannot_be_read_is_said_and_the_rest_is_looked_at(lint, tmp_path):
    def surprise(y, y_pred):
        return keras.ops.mean(y - y_pred)

    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, "softmax")])
    model.compile("sgd", surprise)
    model.save(tmp_path / "loss.keras")
    done = lint("loss.keras")
    assert done.returncode == 10
    assert "loss.keras: what it was compiled with cannot be read: " in done.stderr


def test_sarif_points_at_the_function(lint):
    log = json.loads(lint("models:sick", "--format", "sarif").stdout)
    (run,) = log["runs"]
    first = run["results"][0]
    assert (first["ruleId"], first["level"]) == ("softmax-on-one-unit", "error")
    place = first["locations"][0]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "models.py"},
        "region": {"startLine": 6},
    }
    assert place["logicalLocations"] == [{"fullyQualifiedName": "out", "kind": "object"}]
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"]
    (invocation,) = run["invocations"]
    assert len(invocation["toolExecutionNotifications"]) == 1


def test_a_record_is_enough_and_needs_no_keras(run_cli, tmp_path):
    out = LayerCard(
        name="out", path="out", kind="Dense", class_name="Dense", activation="softmax", units=1
    )
    card = ModelCard(model_name="m", variables=(), optimizer="Adam", layers=(out,), outputs=(0,))
    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "model.json").write_text(card.model_dump_json())
    done = run_cli("lint", "record", KERAS_BACKEND="none of these")
    assert done.returncode == 10
    assert "error softmax-on-one-unit" in done.stdout


def test_a_damaged_record_cannot_be_judged(lint, tmp_path):
    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "model.json").write_text("{")
    assert lint("record").returncode == 12


@pytest.mark.parametrize("form", ["npy", "npz", "csv", "parquet", "tfrecord"])
def test_examples_are_read_from_where_people_keep_them(lint, tmp_path, form):
    import tensorflow as tf
    from pyarrow import csv, parquet
    from pyarrow import table as make_table

    path, table = tmp_path / f"data.{form}", {"age": [30.0, 61.0], "pay": [20_000.0, 51_000.0]}
    both = np.stack(list(table.values()), axis=1)
    if form == "npy":
        np.save(path, both)
    elif form == "npz":
        np.savez(path, features=both)
    elif form == "csv":
        csv.write_csv(make_table(table), path)
    elif form == "parquet":
        parquet.write_table(make_table(table), path)
    else:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for age, pay in both:
                writer.write(
                    tf.train.Example(
                        features=tf.train.Features(
                            feature={
                                "age": tf.train.Feature(float_list=tf.train.FloatList(value=[age])),
                                "pay": tf.train.Feature(float_list=tf.train.FloatList(value=[pay])),
                            }
                        )
                    ).SerializeToString()
                )
    done = lint("models:sound", "--data", path)
    name = "features[1]" if form == "npz" else "pay"
    name = "input_layer" if form == "npy" else name
    assert done.stderr == ""
    assert "warning inputs-not-normalised" in done.stdout
    assert name in done.stdout


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("away.npy", None, "models:away.npy"),
        ("empty.npy", b"", "empty.npy: "),
        ("words.csv", b"a\nhello\n", "words.csv: there are no numbers in it"),
    ],
)
def test_examples_that_cannot_be_read_are_said_so(lint, tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = lint("models:sound", "--data", name)
    assert done.returncode in (2, 12)
    assert done.stderr.startswith("cannot lint: ")
