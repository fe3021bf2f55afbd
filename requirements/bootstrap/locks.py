"""Makes the locks again: every version with its hashes, and no index host anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from problem import Problem

_EXTRAS = ("tfx", "mlflow", "kubeflow", "s3", "signing")
_ALL = ("pyproject.toml", *(word for extra in _EXTRAS for word in ("--extra", extra)))
# The versions that TFX 1.21 is locked with: what was compiled with the one is read by the other.
_LIKE_TFX_121 = ("--constraint", "requirements/tfx121-py311.txt")
_SDK = ("pyproject.toml", "--extra", "kubeflow", *_LIKE_TFX_121)
_TFX_116 = ("--python-version", "3.10", "--python-platform", "x86_64-manylinux_2_28")
_TFX_121 = ("--python-version", "3.11", "--universal")
# What a container runs: the same versions, without the tools of the tests.
_IMAGE_PYTHON = ("--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_39")
_IMAGE = (*_ALL, "--group", "image", *_IMAGE_PYTHON, *_LIKE_TFX_121)
_LOCKS = {
    "tfx116-py310.txt": (*_ALL, "--group", "dev", *_TFX_116),
    "tfx121-py311.txt": (*_ALL, "--group", "dev", *_TFX_121),
    "base.txt": ("pyproject.toml", "--group", "base", "--python-version", "3.10", "--universal"),
    "kubeflow.txt": (*_SDK, "--group", "sdk", "--python-version", "3.11", "--universal"),
    "image-cpu.txt": _IMAGE,
    "image-gpu.txt": (*_IMAGE, "--group", "gpu"),
    # Not the package: what installs uv where there is none, and what builds source packages.
    "tools.txt": ("--group", "tools", "--python-version", "3.8", "--universal"),
}
_OPTIONS = ("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--quiet")


def make(root: Path, uv: str, *, is_upgrade: bool) -> None:
    """Writes every lock, keeping the locked versions unless `is_upgrade`.

    Raises:
        Problem: If the requirements cannot be met together; uv's explanation is shown.
    """
    for name, selection in _LOCKS.items():
        print(f"gradgate: requirements/{name} ...", file=sys.stderr, flush=True)
        command = [uv, "pip", "compile", *selection, *_OPTIONS]
        command += ["--custom-compile-command", "make lock", "-o", f"requirements/{name}"]
        command += ["--upgrade"] if is_upgrade else []
        if subprocess.run(command, cwd=root, check=False, env=_environment()).returncode != 0:
            raise Problem(f"requirements/{name} was not made; it is as it was.")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
