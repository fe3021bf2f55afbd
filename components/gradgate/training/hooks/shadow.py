"""Puts functions of ours in the place of methods, on one instance, and takes them out again."""

from collections.abc import Callable
from typing import Any


def shadow(target: object, name: str, function: Callable[..., Any]) -> None:
    """Puts a function in the place of a method, on this instance alone."""
    vars(target)[name] = function


def is_shadowed(target: object, name: str) -> bool:
    """Says whether a function of ours stands in the place of a method."""
    return name in vars(target)


def unshadow(target: object, *names: str) -> None:
    """Puts the methods of the class back in place."""
    for name in names:
        vars(target).pop(name, None)


class Without:
    """While it is open, an attribute of an object is None."""

    def __init__(self, target: Any, name: str) -> None:
        self._target, self._name = target, name

    def __enter__(self) -> None:
        self._value = getattr(self._target, self._name)
        if self._value is not None:
            setattr(self._target, self._name, None)

    def __exit__(self, *_: object) -> None:
        if self._value is not None:
            setattr(self._target, self._name, self._value)
