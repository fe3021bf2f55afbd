"""Colours of pictures: even to the eye, told apart by everybody, readable in light and dark.

What people with protanopia, deuteranopia and tritanopia see is simulated after Machado, Oliveira
and Fernandes (2009), https://doi.org/10.1109/TVCG.2009.113; distances are in OKLab (Ottosson 2020,
https://bottosson.github.io/posts/oklab/), where 0.02 is about what can just be told.
"""

import re

import numpy as np
import pytest

from gradgate.gate.plots.ramp import LEVELS, SHADES, level
from gradgate.gate.render.picture import plots_style

SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
TO_LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
TO_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip
every_sight = pytest.mark.parametrize("sight", SIGHTS)


def linear(texts):
    """Linear light, float [n, 3], of colours such as `#0b68cb`."""
    rgb = np.array([[int(t[i : i + 2], 16) for i in (1, 3, 5)] for t in texts]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def seen(texts, sight):
    light = np.clip(linear(texts) @ SIGHTS[sight].T, 0, 1)
    return np.cbrt(light @ TO_LMS.T) @ TO_LAB.T


def contrast(one, other):
    luminance = linear([one, other]) @ [0.2126, 0.7152, 0.0722]
    return (max(luminance) + 0.05) / (min(luminance) + 0.05)


def variables(mode):
    """The variables of the report and of its plots, light, dark or printed."""
    from gradgate.gate.render import picture

    page = (picture._FOLDER / "report.css").read_text(encoding="utf-8")
    found = {}
    for text in (page, plots_style()):
        blocks = {"light": text[: text.index("}")]}
        dark = text[text.index("prefers-color-scheme: dark") :]
        blocks["dark"] = dark[: dark.index("}")]
        printed = text[text.index("@media print") :]
        blocks["print"] = printed[: printed.index("}")]
        if mode != "light":
            found |= dict(re.findall(r"--([\w-]+):\s*(#\w+)", blocks["light"]))
        found |= dict(re.findall(r"--([\w-]+):\s*(#\w+)", blocks[mode]))
    return {name: _long(value) for name, value in found.items()}


def _long(value):
    return value if len(value) == 7 else "#" + "".join(2 * letter for letter in value[1:])


@every_sight
def test_more_is_lighter_and_steps_are_even(sight):
    lab = seen(SHADES, sight)
    assert (np.diff(lab[:, 0]) > 0).all()
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps.min() > 0.5 * steps.mean()
    assert steps.max() < 1.6 * steps.mean()
    assert lab[-1, 0] - lab[0, 0] > 0.6


@every_sight
@pytest.mark.parametrize("sign", ["bad-ground", "zero"])
def test_what_is_no_number_has_a_colour_of_its_own(sight, sign):
    colour = {"zero": "#000000"}.get(sign) or variables("light")[sign]
    away = np.linalg.norm(seen(SHADES, sight) - seen([colour], sight), axis=1).min()
    assert away > 0.09, away  # four shades; and it has a sign besides


@pytest.mark.parametrize("mode", ["light", "dark", "print"])
def test_lines_and_texts_stand_out_from_the_ground(mode):
    colours = variables(mode)
    for name in ("plot-1", "plot-2", "plot-3", "plot-4", "block", "warn", "soft", "bad", "ink"):
        assert contrast(colours[name], colours["card"]) >= 4.5, name


@pytest.mark.parametrize("mode", ["light", "dark", "print"])
def test_lines_differ_in_more_than_their_colour(mode):
    dashes = re.findall(r"\.s\d \{ stroke: var\(--(plot-\d)\);(?: stroke-dasharray: ([^;]+);)?",
                        plots_style())  # fmt: skip
    assert [name for name, _ in dashes] == ["plot-1", "plot-2", "plot-3", "plot-4"]
    assert len({dash for _, dash in dashes}) == 4


def test_levels_are_shares_and_ends_are_kept():
    found = level(np.array([-1.0, 0.0, 0.5, 1.0, 7.0]))
    assert found.tolist() == [0, 0, LEVELS // 2, LEVELS - 1, LEVELS - 1]
    assert len(SHADES) == LEVELS
