"""Makes the docs page of the case study again: what is between its markers, and its pictures.

The prose is written by hand. A block `<!-- made: NAME -->` to `<!-- end -->` is written by the run.
"""

import dataclasses
import itertools
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from gradgate.contracts import Number, Verdict
from gradgate.gate.render import explain
from gradgate.telemetry.reader import Record, open_record
from pipeline.configs import CONFIGS, ReviewsConfig
from pipeline.run import RunResult
from pipeline.scores import Score

_BLOCK = re.compile(r"(<!-- made: ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_RULE = re.compile(r"(block|warn) [a-z-]+\n")
_END = re.compile(_RULE.pattern + r"|to judge again\n")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """One run of the story, and how good its model is on the held-out reviews."""

    config: ReviewsConfig
    result: RunResult
    score: Score

    @property
    def short(self) -> str:
        """Its name within the story."""
        return self.config.name.removeprefix("reviews-")


def write_page(page: Path, told: Sequence[Told], majority: Score) -> None:
    """Writes the made blocks of the page anew, and its pictures beside it.

    Raises:
        ValueError: If the page asks for a block that is not made.
    """
    blocks = {"runs": _runs(told), "scores": _scores(told, majority)}
    for one in told:
        record = open_record(one.result.record)
        blocks[f"config-{one.short}"] = _fenced("yaml", _settings(one.config))
        blocks[f"explain-{one.short}"] = _fenced("", explained(one.result.verdict))
        blocks[f"peaks-{one.short}"] = peaks(record)
        blocks[f"epochs-{one.short}"] = _epochs(record)
    text = fill(page.read_text(encoding="utf-8"), blocks)
    page.write_text(text, encoding="utf-8")
    for one in told:
        plots = one.result.verdict_path.parent / "plots"
        for name in re.findall(rf"images/case-study-{one.short}-([a-z-]+)\.svg", text):
            target = page.parent / "images" / f"case-study-{one.short}-{name}.svg"
            shutil.copy(plots / f"{name}.svg", target)


def fill(text: str, blocks: dict[str, str]) -> str:
    """Returns the text with its made blocks replaced.

    Raises:
        ValueError: If it asks for one that is not there.
    """
    asked = [match.group(2) for match in _BLOCK.finditer(text)]
    if missing := [name for name in asked if name not in blocks]:
        raise ValueError(
            f"the page asks for {', '.join(missing)}; what is made is {', '.join(blocks)}."
        )
    return _BLOCK.sub(lambda match: f"{match[1]}{blocks[match[2]]}\n{match[3]}", text)


def _runs(told: Sequence[Told]) -> str:
    rows = []
    for one in told:
        verdict = one.result.verdict
        blocking = [finding.id for finding in verdict.findings if finding.level == "block"]
        warning = [finding.id for finding in verdict.findings if finding.level == "warn"]
        offence = one.result.first_offence
        first = "" if offence is None or offence.step is None else f"step {offence.step:,}"
        pushed = "pushed" if one.result.is_pushed else "not pushed"
        said = [*(f"`{name}`" for name in blocking), *(f"`{name}` warns" for name in warning)]
        rows.append(
            [f"**{one.short}**", verdict.decision.upper(), first, ", ".join(said) or "none", pushed]
        )
    return _table(["run", "decision", "first", "rules that did not pass", "model"], rows)


def _scores(told: Sequence[Told], majority: Score) -> str:
    named = [("always the majority's answer", majority), *((one.short, one.score) for one in told)]
    return _table(
        ["model", "accuracy", "F1", "mean F1 of both classes", "answers that are NaN"],
        [
            [
                name,
                f"{score.accuracy:.3f}",
                f"{score.f1:.3f}",
                f"{score.macro_f1:.3f}",
                f"{score.nonfinite:,} of {score.examples:,}",
            ]
            for name, score in named
        ],
    )


def peaks(record: Record) -> str:
    """Each variable's greatest finite norm, its step, and its first step that was not finite."""
    assert record.summary is not None
    rows = []
    for variable in record.summary.variables:
        norm, bad = variable.norm, variable.first_nonfinite_step
        peak = "none" if norm.greatest is None else f"{norm.greatest:.3g}"
        rows.append(
            [
                f"`{variable.path}`",
                peak,
                "" if norm.greatest_step is None else f"{norm.greatest_step:,}",
                "never" if bad is None else f"step {bad:,}",
            ]
        )
    return _table(["variable", "greatest finite gradient norm", "at step", "not finite from"], rows)


def _epochs(record: Record) -> str:
    assert record.summary is not None
    rows = [
        [str(epoch.epoch), *(_number(epoch.logs.get(name)) for name in _LOGS)]
        for epoch in record.summary.epochs
    ]
    return _table(["epoch", "loss", "accuracy", "loss on eval", "accuracy on eval"], rows)


_LOGS = ("loss", "accuracy", "val_loss", "val_accuracy")


def _number(value: Number | None) -> str:
    return "" if value is None else f"{float(value):.4g}".replace("nan", "NaN")


def explained(verdict: Verdict) -> str:
    """What `gradgate explain` says, up to the first rule that did not pass.

    Left out, with dots: further rules, and how to judge again, whose digests change each time.
    """
    sections = explain(verdict).split("\n\n")
    told = list(itertools.takewhile(lambda text: not _END.match(text), sections))
    rules = [text for text in sections[len(told) :] if _RULE.match(text)]
    return "\n\n".join([*told, *rules[:1], *(["..."] if len(rules) > 1 else [])])


def _settings(config: ReviewsConfig) -> str:
    """What the file of the configuration says, without its comments."""
    lines = (CONFIGS / f"{config.name}.yaml").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def _fenced(kind: str, text: str) -> str:
    return f"```{kind}\n{text}\n```"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])
