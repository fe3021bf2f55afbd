import json

import pytest

from gradgate.gradients import ClipByGlobalNorm, ClipByValue
from gradgate.training import GuardSettings


def test_settings_cross_json():
    settings = GuardSettings(
        clip=(ClipByValue(max_abs=2.0), ClipByGlobalNorm(max_norm=1.0)),
        on_nonfinite="skip",
        statistics_every=10,
        ring_steps=64,
        seed=3,
    )
    assert GuardSettings.from_config(json.loads(json.dumps(settings.to_config()))) == settings


def test_nothing_said_is_the_default():
    assert GuardSettings.from_config({}) == GuardSettings()


def test_one_clip_may_stand_alone():
    clip = ClipByGlobalNorm(max_norm=1.0)
    alone = {"clip": {"name": "clip_by_global_norm", "max_norm": 1.0}}
    assert GuardSettings(clip=clip).clip == (clip,)
    assert GuardSettings(clip=[clip]).clip == (clip,)
    assert GuardSettings(clip=None).clip == ()
    assert GuardSettings.from_config(alone) == GuardSettings(clip=clip)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"clips": []},
            (
                "GuardSettings: Unknown field: 'clips'. Did you mean 'clip'?"
                " Known: clip, on_nonfinite, statistics_every, ring_steps, seed, lint_ignore."
            ),
        ),
        (
            {"on_nonfinite": "skipp"},
            (
                "GuardSettings: Unknown on_nonfinite: 'skipp'. Did you mean 'skip'?"
                " Known: record, skip, stop."
            ),
        ),
        (
            {"statistics_every": -1},
            "GuardSettings: statistics_every must be a whole number from 0 to 2147483648, got -1.",
        ),
        (
            {"ring_steps": 1.5},
            "GuardSettings: ring_steps must be a whole number from 2 to 1048576, got 1.5.",
        ),
        (
            {"seed": True},
            "GuardSettings: seed must be a whole number from 0 to 4294967295, got True.",
        ),
        ({"clip": 3}, "GuardSettings: clip must be a list of clips, got 3."),
        ([], "GuardSettings: expected a mapping of fields, got []."),
    ],
)
def test_a_mistake_is_named_with_what_was_likely_meant(config, message):
    with pytest.raises(ValueError, match=r"^") as caught:
        GuardSettings.from_config(config)
    assert str(caught.value) == message


def test_what_is_no_clip_is_refused():
    with pytest.raises(ValueError, match=r"clip must be a clip or a tuple of clips, got 1\.0\."):
        GuardSettings(clip=1.0)
