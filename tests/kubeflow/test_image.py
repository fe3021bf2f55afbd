"""What the image is made from, without an engine; test_containers.py runs in the image itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "kubeflow"


@pytest.fixture(scope="module")
def stages():
    """The instructions of each stage by its name; the last stage's is empty."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found = {}
    for part in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]:
        head, *lines = part.splitlines()
        base, _, name = head.partition(" AS ")
        found[name] = [("FROM", base), *(line.split(maxsplit=1) for line in lines if line.strip())]
    return found


def said(stage, instruction):
    return [rest[0] for name, *rest in stage if name == instruction]


def shipped(stages):
    """The instructions of the stages that the image consists of."""
    return [*stages["cpu"], *stages["gpu"], *stages[""]]


def test_each_variant_has_its_lock_and_its_stage(stages):
    for variant in ("cpu", "gpu"):
        assert (ROOT / "requirements" / f"image-{variant}.txt").is_file()
        assert variant in stages
    assert said(stages[""], "FROM") == ["${VARIANT}"]
    assert any(
        "--require-hashes requirements/image-${VARIANT}.txt" in line
        for line in said(stages["build"], "RUN")
    )


def test_it_runs_as_a_number_that_is_not_root(stages):
    users = said(shipped(stages), "USER")
    assert [int(part) > 0 for user in users for part in user.split(":")] == [True, True]


def test_a_step_may_bring_its_own_command(stages):
    assert said(shipped(stages), "ENTRYPOINT") == []


def test_what_the_building_machine_trusts_stays_in_the_build_stage(stages):
    assert said(stages["build"], "FROM") == ["${BUILD_BASE}"]
    assert said(stages["cpu"], "FROM") == ["${BASE}"]
    copied = [line.split() for line in said(shipped(stages), "COPY")]
    assert [line[:2] for line in copied] == [
        ["--from=build", "/opt/gradgate"],
        ["--from=build", "/opt/app"],
    ]


def test_no_compiler_is_installed_in_it(stages):
    installed = " ".join(line for line in said(shipped(stages), "RUN") if "apt-get" in line)
    assert not re.search(r"g\+\+|gcc|binutils|-dev\b", installed)


def test_the_ignore_file_lets_through_what_is_copied(stages):
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = [line[1:] for line in lines if line.startswith("!")]
    for line in said(stages["build"], "COPY"):
        for source in line.replace("${VARIANT}", "cpu").split()[:-1]:
            assert (ROOT / source).exists()
            assert any(Path(source).match(pattern) for pattern in let_through), source


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.sh")), ids=lambda path: path.name)
def test_every_script_parses(script):
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("script", "arguments", "complaint"),
    [
        ("build.sh", ["tpu"], "build: cpu or gpu, got tpu"),
        ("engine.sh", ["restart", "."], "engine: start or stop, got restart"),
        ("trim.sh", [], "which environment?"),
    ],
)
def test_wrong_use_is_told_before_anything_is_done(script, arguments, complaint, tmp_path):
    done = subprocess.run(
        ["sh", FOLDER / script, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert complaint in done.stderr


def test_an_engine_is_not_ended_by_a_number_that_is_another_process_by_now(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (tmp_path / "docker.pid").write_text(str(other.pid))
        done = subprocess.run(["sh", FOLDER / "engine.sh", "stop", tmp_path], check=False)
        assert done.returncode == 0
        assert other.poll() is None
        other.communicate(b"\n")
