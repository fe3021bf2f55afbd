"""The locks hold what pyproject.toml asks for: checked without a network."""

import re
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.version import Version

ALL = ("train", "tfx", "mlflow", "kubeflow", "s3", "signing")
# Each lock, the Python it is for, and the extras and groups that it was made from.
LOCKS = [
    pytest.param("tfx116-py310.txt", "3.10", ALL, "dev", id="tfx116-3.10"),
    *(
        pytest.param("tfx121-py311.txt", python, ALL, "dev", id=f"tfx121-{python}")
        for python in ("3.11", "3.12", "3.13")
    ),
    *(
        pytest.param("base.txt", python, (), "base", id=f"base-{python}")
        for python in ("3.10", "3.11", "3.12", "3.13")
    ),
    pytest.param("image-cpu.txt", "3.13", ALL, "image", id="image-cpu"),
    pytest.param("image-gpu.txt", "3.13", ALL, "image", id="image-gpu"),
    pytest.param("image-gpu.txt", "3.13", (), "gpu", id="image-gpu-cuda"),
]
EVERY_LOCK = [
    *("base.txt", "image-cpu.txt", "image-gpu.txt", "kubeflow.txt"),
    *("tfx116-py310.txt", "tfx121-py311.txt", "tools.txt"),
]


def environment(python: str) -> dict[str, str]:
    return {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.9",
        "platform_machine": "x86_64",
        "sys_platform": "linux",
        "extra": "",
    }


def locked_versions(lock: Path, python: str) -> dict[str, Version]:
    versions = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            pin = Requirement(line.removesuffix("\\").strip())
            if pin.marker is None or pin.marker.evaluate(environment(python)):
                assert pin.name not in versions, f"{pin.name} is locked twice for {python}"
                versions[normalized(pin.name)] = Version(str(pin.specifier).removeprefix("=="))
    return versions


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def asked(project, extras: tuple[str, ...], group: str) -> list[str]:
    requirements = list(project["project"]["dependencies"])
    for extra in extras:
        requirements += project["project"]["optional-dependencies"][extra]
    pending = [group]
    while pending:
        for entry in project["dependency-groups"][pending.pop()]:
            if isinstance(entry, str):
                requirements.append(entry)
            else:
                pending.append(entry["include-group"])
    return requirements


@pytest.mark.parametrize(("lock", "python", "extras", "group"), LOCKS)
def test_every_direct_dependency_is_locked_at_a_version_that_satisfies_it(
    root, project, lock, python, extras, group
):
    versions = locked_versions(root / "requirements" / lock, python)
    wrong = []
    for text in asked(project, extras, group):
        requirement = Requirement(text)
        is_asked = requirement.marker is None or requirement.marker.evaluate(environment(python))
        if is_asked and requirement.name != "gradgate":
            version = versions.get(normalized(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                wrong.append(f"{text}: locked {version}")
    assert not wrong, f"requirements/{lock} is stale, run `make lock`: {wrong}"


@pytest.mark.parametrize("lock", EVERY_LOCK)
def test_every_locked_version_has_hashes_and_no_index_is_named(root, lock):
    text = (root / "requirements" / lock).read_text(encoding="utf-8")
    pins = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(pins) > 3
    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert "://" not in text
    assert "--index" not in text


def test_no_lock_is_forgotten_here(root):
    assert sorted(path.name for path in (root / "requirements").glob("*.txt")) == EVERY_LOCK


def test_the_image_runs_the_versions_that_the_suite_ran_on(root):
    folder = root / "requirements"
    tested = locked_versions(folder / "tfx121-py311.txt", "3.13")
    cpu = locked_versions(folder / "image-cpu.txt", "3.13")
    gpu = locked_versions(folder / "image-gpu.txt", "3.13")
    assert {name for name in cpu if tested.get(name) != cpu[name]} == {"pip"}
    assert {name for name in gpu if cpu.get(name) != gpu[name]} == {
        name for name in gpu if name.startswith("nvidia-")
    }
    assert set(cpu) <= set(gpu)
    assert not {"pytest", "mypy", "ruff", "moto", "hypothesis"} & set(cpu)


def test_the_base_lock_brings_nothing_heavy(root):
    for python in ("3.10", "3.13"):
        versions = locked_versions(root / "requirements" / "base.txt", python)
        assert not {"tensorflow", "tfx", "mlflow", "keras", "apache-beam"} & set(versions)


def test_every_stack_of_the_set_up_has_its_lock(root, bootstrap):
    stacks = bootstrap("stacks")
    for stack in (*stacks.NEWEST_FIRST, *stacks.LIGHT.values()):
        assert (root / stack.lock).is_file()
