"""What a rule on a baseline measured, as a verdict keeps it for later trainings."""

from collections.abc import Sequence

from gradgate.contracts import ModelCard, Rule
from gradgate.contracts.references import MeasuredValue, Measurement, Reference
from gradgate.gate.case import Measured


def measurement_of(rule: Rule, measured: Measured) -> Measurement:
    """What was measured of every column in scope, whatever the rule expects of it."""
    columns = zip(measured.columns, measured.value, measured.samples, strict=True)
    return Measurement(
        signal=rule.signal,
        aggregate=rule.aggregate.model_dump(mode="json"),
        window=rule.window.model_dump(mode="json", exclude_none=True),
        values=tuple(
            MeasuredValue(variable=column.variable, value=float(value), samples=int(samples))
            for column, value, samples in columns
        ),
    )


def asks_the_same(rule: Rule, measurement: Measurement) -> bool:
    """Whether a measurement is of what a rule asks; its scope may be another one."""
    return (
        measurement.signal == rule.signal
        and measurement.aggregate == rule.aggregate.model_dump(mode="json")
        and measurement.window == rule.window.model_dump(mode="json", exclude_none=True)
    )


def reference_of(name: str, card: ModelCard, measured: Sequence[Measurement]) -> Reference:
    """What later trainings are compared with, of one optimizer; no name where it is alone.

    Rules that ask the same of several scopes leave one measurement.
    """
    merged: dict[str, Measurement] = {}
    for one in measured:
        key = repr((one.signal, one.aggregate, one.window))
        before = merged.get(key)
        values = {
            value.variable: value for value in (*(before.values if before else ()), *one.values)
        }
        merged[key] = one.model_copy(update={"values": tuple(values.values())})
    return Reference(
        optimizer=name or None,
        kind=card.optimizer,
        variables=tuple(variable.path for variable in card.variables),
        measurements=tuple(merged.values()),
    )
