"""Says exactly what to install on this machine when no Python fits."""

from __future__ import annotations

import os
from pathlib import Path

from pythons import Found
from stacks import Stack

# Which Python 3.N a distribution's own packages bring, by the ID and VERSION_ID of os-release.
_PACKAGED = {
    ("debian", "12"): (11,),
    ("debian", "13"): (13,),
    ("ubuntu", "22.04"): (10,),
    ("ubuntu", "24.04"): (12,),
    ("ubuntu", "25.04"): (13,),
    ("ubuntu", "25.10"): (13,),
}
_PYENV_NEEDS = (
    "build-essential curl git libbz2-dev libffi-dev liblzma-dev libreadline-dev "
    "libsqlite3-dev libssl-dev zlib1g-dev"
)


def no_python(
    candidates: tuple[Stack, ...],
    found: Found,
    glibc: tuple[int, int],
    *,
    given: str = "",
    fetch_failure: str = "",
    os_release: str | None = None,
) -> str:
    """Returns the message for a machine on which no interpreter fits any stack.

    Args:
        candidates: The stacks that its C library allows, best first.
        found: What the search saw.
        glibc: The version of its C library.
        given: The interpreter that the person named, if they did.
        fetch_failure: Why uv could not fetch one; empty where it was not asked.
        os_release: Text of /etc/os-release; None reads it.
    """
    needs = " or ".join(f"Python {_minors(stack)} for {stack.title}" for stack in candidates)
    seen = [f"{python.path} is {_version(python.version)}" for python in found.interpreters]
    seen += [f"{path} {reason}" for path, reason in found.rejected]
    lines = [f"no fitting Python: with glibc {_version(glibc)} this machine needs {needs}."]
    lines += ["Seen:", *(f"  {line}" for line in seen or ["no Python from 3.10 to 3.13 at all"])]
    if fetch_failure:
        lines += ["Fetching one with uv failed:", f"  {fetch_failure}"]
    if given:
        lines += [f"GRADGATE_PYTHON={given}: name another interpreter, or unset it."]
        return "\n".join(lines)
    lines += ["Do one of these, then run the same command again:"]
    lines += [f"  {way}" for way in _ways(candidates, _distribution(os_release))]
    return "\n".join(lines)


def _ways(candidates: tuple[Stack, ...], distribution: tuple[str, str]) -> list[str]:
    wanted = [minor for stack in candidates for minor in stack.minors]
    packaged = [minor for minor in _PACKAGED.get(distribution, ()) if minor in wanted]
    is_apt = distribution[0] in {"debian", "ubuntu"}
    ways = [f"apt-get install -y python3.{minor} python3.{minor}-dev g++" for minor in packaged]
    if not packaged:
        has_pyenv = os.path.isdir(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))
        needs = f"apt-get install -y {_PYENV_NEEDS}, then " if is_apt else ""
        pyenv = "" if has_pyenv else "install pyenv, then "
        ways.append(f"{needs}{pyenv}pyenv install 3.{wanted[0]}")
    ways.append(f"uv python install 3.{wanted[0]}    (where the network lets uv download)")
    ways.append(f"GRADGATE_PYTHON=/path/to/python3.{wanted[0]}    (if it is somewhere else)")
    return ways


def _distribution(os_release: str | None) -> tuple[str, str]:
    if os_release is None:
        file = Path("/etc/os-release")
        os_release = file.read_text(encoding="utf-8") if file.exists() else ""
    pairs = (line.partition("=") for line in os_release.splitlines())
    fields = {name: value.strip('"') for name, _, value in pairs}
    return fields.get("ID", ""), fields.get("VERSION_ID", "")


def _minors(stack: Stack) -> str:
    ordered = sorted(stack.minors)
    return f"3.{ordered[0]}" + (f" to 3.{ordered[-1]}" if len(ordered) > 1 else "")


def _version(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
