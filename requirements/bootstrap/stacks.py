"""Decides which of the two tested stacks a machine runs. Pure but for `glibc_version`.

TFX 1.16 runs on Python 3.10 only. TFX 1.21 runs on Python 3.11 to 3.13, and its wheels need
glibc 2.39 (Debian 13, Ubuntu 24.04 and newer).
"""

from __future__ import annotations

import dataclasses
import os
import platform
import sys

from problem import Problem
from pythons import Found, Interpreter


@dataclasses.dataclass(frozen=True)
class Stack:
    """One tested set of versions.

    Attributes:
        name: What GRADGATE_STACK and the stamp call it.
        title: What a person reads.
        lock: Its lock, relative to the repository.
        minors: Python 3.N that it runs on, the best tested first.
        min_glibc: The oldest C library that its wheels load on.
    """

    name: str
    title: str
    lock: str
    minors: tuple[int, ...]
    min_glibc: tuple[int, int]


TFX_121 = Stack(
    name="tfx121",
    title="TFX 1.21",
    lock="requirements/tfx121-py311.txt",
    minors=(13, 12, 11),
    min_glibc=(2, 39),
)
TFX_116 = Stack(
    name="tfx116",
    title="TFX 1.16",
    lock="requirements/tfx116-py310.txt",
    minors=(10,),
    min_glibc=(2, 28),
)
BASE = Stack(
    name="base",
    title="the base package alone",
    lock="requirements/base.txt",
    minors=(13, 12, 11, 10),
    min_glibc=(2, 28),
)
SDK = Stack(
    name="kubeflow",
    title="the SDK of Kubeflow Pipelines",
    lock="requirements/kubeflow.txt",
    minors=(13, 12, 11),
    min_glibc=(2, 28),
)
# What needs no TFX runs on every machine, in an environment of its own, by the command's name.
LIGHT = {"base": BASE, "kubeflow": SDK}
NEWEST_FIRST = (TFX_121, TFX_116)

_NEWER_SYSTEM = "Use a newer system, such as a Debian 13 machine or container."


@dataclasses.dataclass(frozen=True)
class Wish:
    """What the person asked for by environment variables; empty where they did not."""

    python: str = ""
    stack: str = ""


@dataclasses.dataclass(frozen=True)
class Choice:
    """A stack and the interpreter that will run it."""

    stack: Stack
    python: Interpreter


def glibc_version() -> tuple[int, int]:
    """Returns the version of this machine's C library.

    Raises:
        Problem: If this is not Linux on x86-64 with glibc: no wheels of TFX exist for it.
    """
    try:
        library, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
    except (AttributeError, ValueError, OSError):
        library, version = "", ""
    if sys.platform != "linux" or platform.machine() != "x86_64" or library != "glibc":
        raise Problem(
            "TFX is built for Linux on x86-64 with glibc only; this is "
            f"{platform.system()} on {platform.machine()}. {_NEWER_SYSTEM}"
        )
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def fitting(wish: Wish, glibc: tuple[int, int]) -> tuple[Stack, ...]:
    """Returns the stacks that the machine's C library and the wish leave, best first.

    Raises:
        Problem: If none is left.
    """
    if wish.stack and wish.stack not in {stack.name for stack in NEWEST_FIRST}:
        names = " or ".join(stack.name for stack in reversed(NEWEST_FIRST))
        raise Problem(f"GRADGATE_STACK must be {names}, got {wish.stack!r}.")
    asked = [stack for stack in NEWEST_FIRST if wish.stack in ("", stack.name)]
    left = tuple(stack for stack in asked if glibc >= stack.min_glibc)
    if not left:
        stack = asked[-1]
        raise Problem(
            f"{stack.title} needs glibc {_dotted(stack.min_glibc)} or newer, this machine has "
            f"{_dotted(glibc)}. " + ("Unset GRADGATE_STACK." if wish.stack else _NEWER_SYSTEM)
        )
    return left


def choose(candidates: tuple[Stack, ...], found: Found) -> Choice | None:
    """Returns the first stack that an interpreter is there for, with its best; None if none."""
    for stack in candidates:
        for minor in stack.minors:
            for python in found.interpreters:
                if python.version[:2] == (3, minor):
                    return Choice(stack, python)
    return None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
