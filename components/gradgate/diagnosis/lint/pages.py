"""The documentation page of each rule, made of the rule itself.

`python -m gradgate.diagnosis.lint.pages [--check] [FOLDER]` writes them, or says which are stale.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gradgate.diagnosis.lint.rule import Need, Rule
from gradgate.diagnosis.lint.rules import ALL

_NEEDS: Final[Mapping[Need, str]] = {
    "layers": "the layers",
    "graph": "how the layers are joined",
    "optimizer": "an optimizer (a compiled model)",
    "loss": "a loss (a compiled model)",
    "batch_size": "the batch size",
    "inputs": "examples",
}


def page(rule: Rule) -> str:
    """Returns the page of a rule, in Markdown."""
    needs = ", ".join(_NEEDS[need] for need in rule.needs)
    sources = "\n".join(f"- {source}" for source in rule.sources)
    return f"""\
# {rule.id}

{rule.title}. Severity: {rule.severity}. Must know: {needs}.

## Why

{rule.reason}

## Found

```python
{rule.bad.rstrip()}
```

## Better

```python
{rule.good.rstrip()}
```

## Sources

{sources}

To let it go by: [exceptions](../lint.md#exceptions). The text of this page is that of the rule, and
both examples are run as its tests.
"""


def index() -> str:
    """Returns the table of all rules, in Markdown."""
    rows = [
        f"| [`{rule.id}`](lint/{rule.id}.md) | {rule.severity} | {rule.title} |" for rule in ALL
    ]
    return "\n".join(("| rule | severity | finds |", "|---|---|---|", *rows)) + "\n"


def pages() -> dict[str, str]:
    """Returns the text of every page, by its file's name."""
    return {f"{rule.id}.md": page(rule) for rule in ALL}


def stale(folder: Path) -> list[str]:
    """Returns the names of the pages in a folder that are missing, differ, or are no rule's."""
    wanted = pages()
    found = {path.name: path.read_text("utf-8") for path in folder.glob("*.md")}
    return sorted(name for name in wanted | found if wanted.get(name) != found.get(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the pages; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m gradgate.diagnosis.lint.pages", description=__doc__
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs/lint"))
    parser.add_argument("--check", action="store_true", help="write nothing; fail if one is stale")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    if options.check:
        names = stale(folder)
        for name in names:
            sys.stderr.write(
                f"{folder / name} is stale; run python -m gradgate.diagnosis.lint.pages\n"
            )
        return 1 if names else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
