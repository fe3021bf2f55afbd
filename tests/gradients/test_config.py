import pathlib
import re

import pytest
from ruamel.yaml import YAML

from gradgate.gradients import (
    CLIPS,
    AdaGC,
    Centralize,
    Chain,
    ClipByGlobalNorm,
    NormalizeByNorm,
    ZClip,
    clip_from_config,
    clip_to_config,
)

NAMES = (
    "ada_gc, adaptive_gradient_clip, auto_clip, centralize, clip_by_global_norm, clip_by_norm,"
    " clip_by_value, normalize_by_global_norm, normalize_by_norm, z_clip"
)


def test_a_clip_is_its_name_and_its_numbers():
    assert clip_to_config(ClipByGlobalNorm(max_norm=2)) == {
        "name": "clip_by_global_norm",
        "max_norm": 2,
    }


def test_a_field_that_has_a_default_may_be_left_out():
    assert clip_from_config({"name": "z_clip", "max_norm": None}) == ZClip(max_norm=None)
    assert clip_from_config({"name": "normalize_by_norm"}) == NormalizeByNorm()


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
            {"name": "centralize", "axes": 0},
            "Unknown field of centralize: 'axes'. Known: none.",
        ),
        (
            {"name": "z_clip", "warmup": 25.0},
            "ZClip: warmup must be a whole number from 2 to 1000000, got 25.0.",
        ),
        (
            {"name": "auto_clip", "percentile": "10"},
            "AutoClip: percentile must be a number above 0 and below 100, got '10'.",
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
    ids=["name", "field", "no fields", "type", "text for a number", "missing", "nameless", "text"],
)
def test_a_mistake_is_named_with_what_was_likely_meant(config, message):
    with pytest.raises(ValueError, match=r"^") as caught:
        clip_from_config(config)
    assert str(caught.value) == message


def test_what_no_configuration_can_name_is_said_so():
    with pytest.raises(TypeError, match="is not a clip that a configuration can name; those are"):
        clip_to_config(Chain())


def test_the_documentation_names_every_transform_and_its_configuration_works():
    text = (pathlib.Path(__file__).parents[2] / "docs" / "clips.md").read_text("utf-8")
    table = re.findall(r"^\| `(\w+)` `(\w+)` \|", text, re.MULTILINE)
    assert {name: kind.__name__ for name, kind in CLIPS.items()} == dict(table)
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert [clip_from_config(each) for each in YAML(typ="safe").load(shown)["clip"]] == [
        Centralize(),
        AdaGC(ratio=1.05, warmup=200),
        ClipByGlobalNorm(max_norm=5.0),
    ]
