import pytest

from gradgate.gradients import Chain, ClipByGlobalNorm, clip_from_config, clip_to_config

NAMES = "clip_by_global_norm, clip_by_norm, clip_by_value"


def test_a_clip_is_its_name_and_its_numbers():
    assert clip_to_config(ClipByGlobalNorm(max_norm=2)) == {
        "name": "clip_by_global_norm",
        "max_norm": 2,
    }


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"name": "clip_by_globalnorm", "max_norm": 1.0},
            (
                "Unknown clip: 'clip_by_globalnorm'. Did you mean 'clip_by_global_norm'?"
                f" Known: {NAMES}."
            ),
        ),
        (
            {"name": "clip_by_norm", "maxnorm": 1.0},
            "Unknown field of clip_by_norm: 'maxnorm'. Did you mean 'max_norm'? Known: max_norm.",
        ),
        (
            {"name": "clip_by_norm"},
            "clip_by_norm: max_norm is missing. Fields of clip_by_norm: max_norm.",
        ),
        (
            {"max_norm": 1.0},
            (
                'A clip is written as {"name": "clip_by_global_norm", "max_norm": 1.0},'
                f" got {{'max_norm': 1.0}}. Names: {NAMES}."
            ),
        ),
        (
            "clip_by_norm",
            (
                'A clip is written as {"name": "clip_by_global_norm", "max_norm": 1.0},'
                f" got 'clip_by_norm'. Names: {NAMES}."
            ),
        ),
    ],
    ids=["name", "field", "missing", "nameless", "text"],
)
def test_a_mistake_is_named_with_what_was_likely_meant(config, message):
    with pytest.raises(ValueError, match=r"^") as caught:
        clip_from_config(config)
    assert str(caught.value) == message


def test_what_no_configuration_can_name_is_said_so():
    with pytest.raises(TypeError, match="is not a clip that a configuration can name; those are"):
        clip_to_config(Chain())
