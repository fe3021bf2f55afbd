"""Whether a signal that the policy requires was measured at all, whatever the rules ask of it."""

from gradgate.contracts import IntegrityCheck, Policy
from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.signals import CATALOGUE, FactSignal, StepSignal, Unmeasured, per_layer
from gradgate.gate.signals.base import Read


class Required:
    """The required signals of one optimizer, from before the first step is read until the end."""

    def __init__(
        self, policy: Policy, evidence: Evidence, model: ModelCheck | None, *, is_first: bool
    ) -> None:
        """Looks at what is known before the steps.

        Args:
            policy: Names the signals.
            evidence: Of the optimizer.
            model: What the gate found in the exported model.
            is_first: Whether it is the first optimizer: the activations stand in its record.
        """
        self._evidence = evidence
        self._names = policy.required_signals
        self._missing: dict[str, str] = {}
        self._waiting: dict[str, Read] = {}
        for name in policy.required_signals:
            signal = CATALOGUE.get(name)
            if signal is None:  # the loader of policies sees to it
                self._missing[name] = "there is no such signal"
                continue
            if per_layer(signal) and not is_first:
                continue
            if isinstance(signal, StepSignal):
                self._await(name, signal)
            else:
                self._look(name, signal, model)

    def feed(self, batch: StepBatch) -> None:
        """Looks for samples in a batch; one is enough, and a signal that breaks has none."""
        for name, read in tuple(self._waiting.items()):
            try:
                samples = read(batch, self._evidence)
            except Exception as error:  # noqa: BLE001 - what breaks was not measured
                self._missing[name] = f"{type(error).__name__}: {error}"
                del self._waiting[name]
                continue
            measured = samples.measured
            if samples.value.size and (measured is None or measured.any()):
                del self._waiting[name]

    def checks(self) -> tuple[IntegrityCheck, ...]:
        """Returns what was found; nothing where nothing is required."""
        if not self._names:
            return ()
        missing = self._missing | dict.fromkeys(self._waiting, "there is no sample of it")
        listed = [f"{name}: {missing[name]}" for name in self._names if name in missing]
        if not listed:
            return (IntegrityCheck(code="T-SIGNALS", status="pass"),)
        message = f"required signals were not measured: {'; '.join(listed)}"
        return (IntegrityCheck(code="T-SIGNALS", status="fail", message=message),)

    def _await(self, name: str, signal: StepSignal) -> None:
        reason = signal.unmeasured(self._evidence)
        if reason:
            self._missing[name] = reason
        else:
            self._waiting[name] = signal.reader()

    def _look(self, name: str, signal: FactSignal, model: ModelCheck | None) -> None:
        try:
            signal.facts(self._evidence, model)
        except Unmeasured as reason:
            self._missing[name] = str(reason)
        except Exception as error:  # noqa: BLE001 - what breaks was not measured
            self._missing[name] = f"{type(error).__name__}: {error}"
