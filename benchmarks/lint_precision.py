"""What the lint says of sound architectures, Keras's own among them, and how long it takes.

`python benchmarks/lint_precision.py [NAME...]`: without names, the small ones of the tests and the
applications of `_APPLICATIONS`, each in its own words. The lint must say neither error nor warning.
"""

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras

from gradgate.diagnosis.lint import lint
from gradgate.training.card import describe_design

_APPLICATIONS = (
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0"),
    *("EfficientNetV2B0", "ResNet50", "ResNet101", "ResNet50V2", "DenseNet121", "InceptionV3"),
    *("InceptionResNetV2", "Xception", "NASNetMobile", "ConvNeXtTiny", "VGG16", "VGG19"),
)
_SOUND = Path(__file__).parents[1] / "tests" / "diagnosis" / "lint" / "sound.py"


def main(names: list[str]) -> int:
    """Prints a row of a table for each; returns 1 if anything was said of one."""
    spec = importlib.util.spec_from_file_location("sound", _SOUND)
    sound = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sound)
    makers: dict[str, Callable[[], keras.Model]] = {
        **{make.__name__: make for make in sound.SMALL},
        **{name: lambda name=name: sound.application(name) for name in _APPLICATIONS},
    }
    print(
        "| architecture | calls of layers | errors | warnings | notes | describe, ms | lint, ms |"
    )
    print("|---|---|---|---|---|---|---|")
    wrong = 0
    for name in names or makers:
        keras.utils.clear_session()
        model = makers[name]()
        began = time.perf_counter()
        card = describe_design(model, batch_size=32)
        described = time.perf_counter()
        report = lint(card)
        ended = time.perf_counter()
        counts = [
            sum(found.severity == severity for found in report.findings)
            for severity in ("error", "warning", "info")
        ]
        wrong += counts[0] + counts[1]
        cells = (
            *(name, len(card.layers), *counts),
            *(f"{1e3 * (described - began):.0f}", f"{1e3 * (ended - described):.1f}"),
        )
        print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
