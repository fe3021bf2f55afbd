"""What holds for every file of the repository, whoever writes it."""

import ast
import importlib.metadata
import re
import subprocess
from pathlib import Path

import pytest

import gradgate

# Written in two parts so that this file is not found by its own search.
HOSTS = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "debian" + ".org/debian"]
MACHINE = [
    "/root" + "/",
    "/Users" + "/",
    "/var/cache" + "/gg",
    "/work" + "/main",
    "/work" + "/shared",
]


def offences(files: list[Path], patterns: list[str]) -> list[str]:
    """Returns `file: pattern` for every file that holds one of the patterns."""
    found = []
    for file in files:
        content = file.read_bytes()
        found += [f"{file}: {text}" for text in patterns if text.encode() in content]
    return found


def test_no_file_names_a_package_registry_host(tracked_files):
    assert offences(tracked_files, HOSTS) == []


def test_no_file_names_a_path_of_one_machine(root, tracked_files):
    here = [f"{path}/" for path in (Path.home(), root) if len(path.parts) > 2]
    assert offences(tracked_files, [*MACHINE, *here]) == []


def test_the_search_finds_what_it_looks_for(tmp_path):
    guilty = tmp_path / "lock.txt"
    guilty.write_text("--index-url https://" + HOSTS[0] + "/simple")
    assert offences([guilty], HOSTS) == [f"{guilty}: {HOSTS[0]}"]


def test_the_top_level_is_the_one_the_readme_describes(root, tracked_files):
    folders = {file.relative_to(root).parts[0] for file in tracked_files if file.parent != root}
    assert folders <= {
        ".ci",
        "benchmarks",
        "components",
        "docs",
        "kubeflow",
        "pipeline",
        "requirements",
        "schemas",
        "tests",
    }


def test_kubeflow_is_no_package_that_would_hide_kubeflows_own(root):
    assert not (root / "kubeflow" / "__init__.py").exists()


def test_every_module_opens_with_a_docstring(root, tracked_files):
    rooms = {"components", "pipeline", "requirements", "benchmarks", "kubeflow"}
    bare = []
    for file in tracked_files:
        path = file.relative_to(root)
        if file.suffix == ".py" and path.parts[0] in rooms:
            tree = ast.parse(file.read_text(encoding="utf-8"))
            if tree.body and not ast.get_docstring(tree):
                bare.append(str(path))
    assert bare == []


def test_the_version_is_the_changelogs_newest(root, project):
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d[^\]]*)\]", changelog, flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == project["project"]["version"] == gradgate.__version__


def test_the_installed_package_is_this_checkout(root, project):
    try:
        installed = importlib.metadata.version("gradgate")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("gradgate runs from its source here; `make test` installs it")
    assert installed == project["project"]["version"]
    assert Path(gradgate.__file__).is_relative_to(root / "components")


@pytest.mark.parametrize("script", [".ci/run", ".ci/debian13.sh", "requirements/bootstrap.sh"])
def test_every_shell_script_parses(root, script):
    assert subprocess.run(["bash", "-n", root / script], check=False).returncode == 0


def test_make_lists_every_target_that_a_person_calls(root):
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    names = re.findall(r"^  make (\S+)", listed, flags=re.MULTILINE)
    assert {"demo", "test", "check", "ui", "bench", "lock", "clean"} <= set(names)
