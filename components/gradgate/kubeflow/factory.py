"""A function that makes a pipeline: which parameters it takes, and how a step calls it.

    def create(*, root: Annotated[str, "where everything is kept"], epochs: int = 10) -> Pipeline

Its keyword-only parameters become the package's. Every step of a run calls it with the same
values, so it must give the same pipeline each time: no clock, no random number.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

from gradgate.kubeflow.graph import Parameter

KINDS: Mapping[type, Any] = {str: "str", int: "int", float: "float", bool: "bool"}


class FactoryError(ValueError):
    """A factory that cannot be used, or not so; the message says what to change."""


def load(name: str) -> Callable[..., Any]:
    """Imports a factory.

    Args:
        name: `module:function`.

    Raises:
        FactoryError: If there is none of this name.
    """
    module, colon, function = name.partition(":")
    if not (colon and module and function):
        raise FactoryError(f"{name!r}: a pipeline is named as module:function.")
    try:
        found = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        # Only if the module itself is missing; what is missing inside it is told as it is.
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise FactoryError(f"{name!r}: there is no module {module!r} here.") from error
    except AttributeError as error:
        raise FactoryError(f"{name!r}: {module} has no {function!r}.") from error
    if not callable(found):
        raise FactoryError(f"{name!r} is no function.")
    return found  # type: ignore[no-any-return]


def parameters(factory: Callable[..., Any]) -> tuple[Parameter, ...]:
    """Returns the parameters of a factory, in its order.

    Raises:
        FactoryError: If one is not keyword-only, or is no str, int, float or bool.
    """
    found = []
    for name, given in inspect.signature(factory, eval_str=True).parameters.items():
        if given.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise FactoryError(f"{name}: a pipeline's parameters are keyword-only; put `*` first.")
        kind, description = given.annotation, ""
        if get_origin(kind) is Annotated:
            kind, description = get_args(kind)[:2]
        if kind not in KINDS:
            raise FactoryError(
                f"{name}: Kubeflow passes str, int, float and bool; got {given.annotation!r}."
            )
        default = None if given.default is inspect.Parameter.empty else given.default
        if default is not None and type(default) is not kind:
            raise FactoryError(f"{name}: its default {default!r} is no {kind.__name__}.")
        found.append(
            Parameter(name=name, kind=KINDS[kind], default=default, description=description)
        )
    return tuple(found)


def call(factory: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Calls a factory with what a run was given.

    Args:
        factory: One that `parameters` accepts.
        values: Of each of its parameters; Kubeflow gives every number as a float.

    Raises:
        FactoryError: If a value is missing, or of another kind.
        Exception: What the factory raised.
    """
    arguments = {}
    for parameter in parameters(factory):
        value = values.get(parameter.name, parameter.default)
        if value is None:
            raise FactoryError(f"the parameter {parameter.name!r} was given no value.")
        arguments[parameter.name] = _convert(parameter, value)
    return factory(**arguments)


def _convert(parameter: Parameter, value: Any) -> Any:
    if parameter.kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if parameter.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value).__name__ != parameter.kind:
        raise FactoryError(
            f"the parameter {parameter.name!r} is a {parameter.kind}, got {value!r}."
        )
    return value
