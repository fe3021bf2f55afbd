"""A configuration says what it means, or says what is wrong with it."""

import itertools

import pytest

from pipeline.configs import Clip, Config, ConfigError, available, load, parse

REVIEWS = ("reviews-broken", "reviews-clip", "reviews-layer-norm", "reviews-sound")


def test_the_demonstration_and_the_case_study_are_ready():
    assert available() == (*REVIEWS, "saturated", "silent-nan", "sound")


@pytest.mark.parametrize("name", available())
def test_each_ready_configuration_loads_and_bears_its_files_name(name):
    config = load(name)
    assert config.name == name
    assert config.policy_file.is_file()


def test_waivers_lie_beside_the_policy_if_there_are_any():
    sound = load("sound")
    assert sound.waivers_file is None
    mine = sound.model_copy(update={"waivers": "policies/waivers.yaml"})
    assert mine.waivers_file.parent == sound.policy_file.parent


def test_the_sick_ones_differ_from_the_sound_one_in_one_thing_each():
    sound, silent_nan, saturated = (load(n) for n in ("sound", "silent-nan", "saturated"))
    named = {"name", "description"}
    assert _differences(sound, silent_nan) - named == {"data"}
    assert _differences(sound, saturated) - named == {"guard"}
    assert saturated.guard.clip == Clip(by="global_norm", limit=0.001)


def _differences(one, other):
    return {f for f in Config.model_fields if getattr(one, f) != getattr(other, f)}


def test_each_step_of_the_case_study_changes_one_thing():
    steps = [load(name) for name in REVIEWS]
    changes = [_settings(after) - _settings(before) for before, after in itertools.pairwise(steps)]
    assert changes == [
        {("guard.clip", Clip(by="global_norm", limit=5.0))},
        {("model.recurrent_dropout", 0.0), ("model.layer_norm", True)},
        {("model.learning_rate", 0.003)},
    ]


def _settings(config):
    parts = ("data", "model", "training", "guard", "evaluation")
    named = {(f"{part}.{field}", value) for part in parts for field, value in getattr(config, part)}
    return named | {("policy", config.policy)}


def test_steps_are_epochs_times_steps_an_epoch():
    text = "name: x\ndescription: x\ntraining: {epochs: 3, steps_per_epoch: 7}"
    assert parse(text, source="x.yaml").training.steps == 21


HEAD = "name: x\ndescription: x\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + "modle: {}",
            (
                "x.yaml: unknown field 'modle'; did you mean 'model'? Fields: example, name,"
                " description, data, model, training, guard, evaluation, policy, waivers, push_to."
            ),
        ),
        (
            HEAD + "guard: {clip: {by: global_norm, limt: 1.0}}",
            (
                "x.yaml: unknown field 'limt'; did you mean 'limit'? Fields of guard.clip: by,"
                " limit.\n"
                "x.yaml: guard.clip.limit: Field required, got {'by': 'global_norm', 'limt': 1.0}."
            ),
        ),
        (
            HEAD + "training: {batch_size: 0}",
            "x.yaml: training.batch_size: Input should be greater than or equal to 1, got 0.",
        ),
        (
            HEAD + "model: {learning_rate: .inf}",
            "x.yaml: Out of range float values are not JSON compliant",
        ),
        (
            HEAD + "guard: {on_nonfinite: ignore}",
            "x.yaml: guard.on_nonfinite: Input should be 'record', 'skip' or 'stop', got 'ignore'.",
        ),
        (
            HEAD + "push_to: ../elsewhere",
            (
                "x.yaml: push_to: Value error, '../elsewhere' leads out of the workspace; name a"
                " folder inside it, got '../elsewhere'."
            ),
        ),
        (
            HEAD + "example: movies",
            "x.yaml: there is no example 'movies'. Ready-made are chicago-taxi, movie-reviews.",
        ),
        (
            HEAD + "example: movie-reviews\nmodel: {hidden_units: [3]}",
            "x.yaml: unknown field 'hidden_units'. Fields of model: embedding, units,",
        ),
        (
            HEAD + "example: movie-reviews\nmodel: {layer_norm: true, recurrent_dropout: 0.1}",
            (
                "x.yaml: model: Value error, layer_norm takes the place of recurrent_dropout; leave"
                " one out"
            ),
        ),
        ("- name", "x.yaml: a configuration is a mapping of fields, got list."),
        (HEAD + "name: y", "x.yaml: while constructing a mapping"),
    ],
)
def test_a_wrong_configuration_is_refused_with_what_to_do(text, message):
    with pytest.raises(ConfigError) as caught:
        parse(text, source="x.yaml")
    assert str(caught.value).startswith(message)


def test_a_name_that_is_none_is_refused_with_what_was_likely_meant():
    with pytest.raises(ConfigError) as caught:
        load("silent_nan")
    assert str(caught.value) == (
        "there is no configuration 'silent_nan'; did you mean 'silent-nan'? Ready-made are"
        " reviews-broken, reviews-clip, reviews-layer-norm, reviews-sound, saturated, silent-nan,"
        " sound; or give the path of a YAML file."
    )


def test_a_path_is_read_as_it_is(tmp_path):
    (tmp_path / "mine.yaml").write_text(HEAD)
    assert load(str(tmp_path / "mine.yaml")) == Config(name="x", description="x")
