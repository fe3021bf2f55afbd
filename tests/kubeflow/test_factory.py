"""A pipeline's factory: its parameters become the package's, and mistakes are told early."""

import math
from typing import Annotated

import pytest

from gradgate.kubeflow import factory
from gradgate.kubeflow.factory import FactoryError


def make(*, root: Annotated[str, "where"], epochs: int = 3, rate: float = 0.5, loud: bool = False):
    return root, epochs, rate, loud


def positional(root: str):
    return root


def listed(*, roots: list[str]):
    return roots


def mistaken(*, epochs: int = "3"):
    return epochs


NO_FUNCTION = 7


def test_its_parameters_keep_their_order_kinds_defaults_and_descriptions():
    found = factory.parameters(make)
    assert [(p.name, p.kind, p.default, p.description) for p in found] == [
        ("root", "str", None, "where"),
        ("epochs", "int", 3, ""),
        ("rate", "float", 0.5, ""),
        ("loud", "bool", False, ""),
    ]


def test_numbers_come_as_floats_and_arrive_as_what_they_are():
    assert factory.call(make, {"root": "r", "epochs": 4.0, "rate": 1}) == ("r", 4, 1.0, False)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "'root' was given no value"),
        ({"root": 3}, "'root' is a str, got 3"),
        ({"root": "r", "epochs": 2.5}, "'epochs' is a int, got 2.5"),
        ({"root": "r", "epochs": math.nan}, "'epochs' is a int, got nan"),
        ({"root": "r", "epochs": True}, "'epochs' is a int, got True"),
        ({"root": "r", "loud": "false"}, "'loud' is a bool, got 'false'"),
    ],
)
def test_a_value_of_another_kind_is_an_error(values, says):
    with pytest.raises(FactoryError, match=says):
        factory.call(make, values)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (positional, "root: .*keyword-only"),
        (listed, r"roots: Kubeflow passes str, int, float and bool; got list\[str\]"),
        (mistaken, "epochs: its default '3' is no int"),
    ],
)
def test_a_function_that_kubeflow_cannot_call_is_an_error(wrong, says):
    with pytest.raises(FactoryError, match=says):
        factory.parameters(wrong)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gradgate", "named as module:function"),
        ("gradgate.nowhere:make", "no module 'gradgate.nowhere'"),
        ("gradgate.kubeflow.factory:nothing", "has no 'nothing'"),
        ("gradgate.kubeflow.factory:KINDS", "is no function"),
    ],
)
def test_a_name_that_leads_nowhere_is_an_error(name, says):
    with pytest.raises(FactoryError, match=says):
        factory.load(name)


def test_what_is_missing_inside_a_module_is_told_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "asks_for_more.py").write_text("import surely_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        factory.load("asks_for_more:make")
