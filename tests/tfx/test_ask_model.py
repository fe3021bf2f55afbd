"""Asking a real SavedModel for its answers to real examples."""

import pytest

from gradgate.tfx.gate.ask_model import MOST_EXAMPLES, ask_model


@pytest.fixture(scope="module")
def tf():
    import tensorflow as tf

    return tf


@pytest.fixture(scope="module")
def examples(tf, tmp_path_factory):
    """Files of 12 examples with a feature x of 2 numbers, plain and compressed, and of many."""
    folder = tmp_path_factory.mktemp("examples")

    def write(name, count, compression=""):
        options = tf.io.TFRecordOptions(compression_type=compression)
        with tf.io.TFRecordWriter(str(folder / name), options) as writer:
            for i in range(count):
                x = tf.train.Feature(float_list=tf.train.FloatList(value=[i, 1.0]))
                features = tf.train.Features(feature={"x": x})
                writer.write(tf.train.Example(features=features).SerializeToString())
        return folder / name

    return {
        "plain": write("plain", 12),
        "gzip": write("gzip", 12, "GZIP"),
        "many": write("many", MOST_EXAMPLES + 10),
        "none": write("none", 0),
    }


@pytest.fixture(scope="module")
def saved(tf, tmp_path_factory):
    """Saves a function of a float32 [n, 2] as a model, with features or serialized examples in."""
    root = tmp_path_factory.mktemp("models")

    def save(name, function, *, serialized=False):
        module = tf.Module()

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def of_features(x):
            return function(x)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def of_examples(examples):
            spec = {"x": tf.io.FixedLenFeature([2], tf.float32)}
            return function(tf.io.parse_example(examples, spec)["x"])

        module.serve = of_examples if serialized else of_features
        signatures = {"serving_default": module.serve}
        tf.saved_model.save(module, str(root / name), signatures=signatures)
        return root / name

    return save


@pytest.mark.parametrize("serialized", [False, True])
@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_every_float_output_is_counted(tf, saved, examples, serialized, kind):
    # By hand: x is [0, 1], ..., [11, 1], so log(0) is -inf once, and the second is constant.
    model = saved(
        f"sick-{serialized}-{kind}",
        lambda x: {"log": tf.math.log(x[:, :1]), "one": x[:, 1], "id": tf.cast(x, tf.int64)},
        serialized=serialized,
    )
    answers = ask_model(model, [examples[kind]])
    assert answers.examples == 12
    log, one = answers.outputs
    assert (log.name, log.values, log.nonfinite, log.is_constant) == ("log", 12, 1, False)
    assert (one.name, one.values, one.nonfinite, one.is_constant) == ("one", 12, 0, True)


def test_no_more_examples_are_read_than_are_needed(saved, examples):
    answers = ask_model(saved("many", lambda x: {"y": x}), [examples["plain"], examples["many"]])
    assert answers.examples == MOST_EXAMPLES
    assert answers.outputs[0].values == 2 * MOST_EXAMPLES


@pytest.mark.parametrize(
    ("function", "files", "said"),
    [
        (lambda x: {"y": x}, ["none"], "there was no example to ask the model with"),
        (lambda x: {"y": x > 0}, ["plain"], "serving_default of the model gives no float output"),
    ],
)
def test_without_an_answer_it_says_why(saved, examples, function, files, said):
    model = saved(f"model-{files[0]}-{len(said)}", function)
    answers = ask_model(model, [examples[name] for name in files])
    assert (answers.outputs, answers.problem) == (None, said)


def test_a_model_or_examples_that_cannot_be_read_are_told(saved, examples, tmp_path):
    model = saved("sound", lambda x: {"y": x})
    (tmp_path / "broken").write_bytes(b"no records" * 20)
    assert "examples could not be read: " in ask_model(model, [tmp_path / "broken"]).problem
    assert "examples could not be read: File" in ask_model(model, [tmp_path / "none"]).problem
    missing = ask_model(tmp_path / "nothing", [examples["plain"]])
    assert missing.problem.startswith("the model could not be asked: ")
    assert missing.outputs is None


def test_a_model_that_wants_other_features_could_not_be_asked(tf, saved, examples):
    module = tf.Module()
    spec = [tf.TensorSpec([None, 3], tf.float32, name="other")]
    module.serve = tf.function(lambda other: {"y": other}, input_signature=spec)
    model = examples["plain"].parent / "other"
    tf.saved_model.save(module, str(model), signatures={"serving_default": module.serve})
    problem = ask_model(model, [examples["plain"]]).problem
    assert problem.startswith("the model could not be asked: ")
    assert "other" in problem
