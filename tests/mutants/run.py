"""Shows that every known fault of a gate, put into ours, is found by a test.

`python tests/mutants/run.py` copies the source tree, puts one mutant after the other into the copy
(`mutants.py` lists them, file by file), runs the tests that are to find it, and prints which did.
Exits with 1 if a mutant survives, or a patch does not apply any more. `--only WORD` takes those
whose name holds the word; `--table` prints Markdown, as it stands in docs/faults.md.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
_COPIED = ("components", "tests", "pipeline", "schemas", "docs", "pyproject.toml", "CHANGELOG.md",
           "README.md")  # fmt: skip


def patched(mutant: Mutant, root: Path = ROOT) -> tuple[Path, str]:
    """Returns the file of a mutant, and its text with the mutant in it.

    Raises:
        ValueError: If the patch does not apply: what it replaces must stand there exactly once.
    """
    path = root / "components" / "gradgate" / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(
            f"{mutant.name}: {mutant.file} holds what it replaces {text.count(mutant.old)} times;"
            " it must be once. Bring tests/mutants up to date."
        )
    changed = text.replace(mutant.old, mutant.new)
    compile(changed, str(path), "exec")
    return path, changed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="mutants whose name holds this")
    parser.add_argument("--table", action="store_true", help="print Markdown")
    wanted = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if wanted.only in mutant.name]
    with tempfile.TemporaryDirectory() as folder:
        root = _copy(Path(folder))
        for needs_tfx in (False, True):
            of = [mutant for mutant in chosen if mutant.needs_tfx == needs_tfx]
            if failed := _failed(root, *sorted({test for one in of for test in _tests(one)})):
                print(f"without any mutant {failed} fails already; mend that first")
                return 1
        survivors = []
        row = "| {} | `{}` |" if wanted.table else "{:<62} {}"
        print(row.format("mutant", "killed by").replace("`", ""))
        if wanted.table:
            print("|---|---|")
        for mutant in chosen:
            path, text = patched(mutant, root)
            whole = path.read_text(encoding="utf-8")
            begin = time.monotonic()
            path.write_text(text, encoding="utf-8")
            try:
                killer = _failed(root, *_tests(mutant))
            finally:
                path.write_text(whole, encoding="utf-8")
            if not _tests(mutant):
                killer = "not run: TFX is not installed"
            elif not killer:
                survivors.append(mutant.name)
                killer = f"SURVIVED {', '.join(mutant.tests)}"
            print(row.format(mutant.name, killer), flush=True)
            print(f"{mutant.name}: {time.monotonic() - begin:.1f} s", file=sys.stderr)
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} mutants are found")
    return 1 if survivors else 0


def _tests(mutant: Mutant) -> tuple[str, ...]:
    if mutant.needs_tfx and importlib.util.find_spec("tfx") is None:
        return ()
    return mutant.tests


def _copy(folder: Path) -> Path:
    for name in _COPIED:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def _failed(root: Path, *tests: str) -> str:
    """The first of some tests that fails; empty if none does."""
    if not tests:
        return ""
    environment = os.environ | {
        "PYTHONPATH": str(root / "components"),
        "PYTHONDONTWRITEBYTECODE": "1",  # a file may be changed twice within a second
        "PYTHONHASHSEED": "0",
    }
    # Always the same examples, and none that an earlier run kept.
    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--tb=no"]
    if not any("tfx/test_components" in test for test in tests):
        options += ["-m", "not tfx"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return ""
    found = re.search(r"^(?:FAILED|ERROR) ([^ \[\n]+)", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return found[1].removeprefix("tests/")


if __name__ == "__main__":
    sys.exit(main())
