"""What the tests of the house share: the checkout, its files, and copies of its set-up."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
# What .gitignore leaves out, for a copy of the tree that git does not know.
_GENERATED = {"__pycache__", "build", "dist", "workspace", "mlruns"}


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def tracked_files() -> list[Path]:
    """Every file that is in the repository or would be added to it."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "-co"]
        listed = subprocess.run(
            [*command, "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if not _is_generated(path.relative_to(ROOT))]
    return [path for path in files if path.is_file()]


def _is_generated(path: Path) -> bool:
    hidden = [part for part in path.parts if part.startswith(".") and part != ".ci"]
    is_hidden_file = len(path.parts) == 1 and path.name == ".gitignore"
    is_build = any(part.endswith(".egg-info") for part in path.parts)
    return bool(set(path.parts) & _GENERATED) or (bool(hidden) and not is_hidden_file) or is_build


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Imports a file of the set-up, which is no package."""
    home = ROOT / "requirements" / "bootstrap"
    monkeypatch.syspath_prepend(str(home))
    yield importlib.import_module
    # All but `__main__`, which is the tests' own program.
    for name in {path.stem for path in home.glob("*.py")} - {"__main__"}:
        sys.modules.pop(name, None)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh checkout with all that the set-up reads, and no more."""
    copy = tmp_path / "checkout"
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "requirements", copy / "requirements", ignore=leave_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    package = copy / "components" / "gradgate"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "components" / "gradgate" / "__init__.py", package)
    return copy
