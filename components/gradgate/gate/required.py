"""Whether a signal that the policy requires was measured at all, whatever the rules ask of it."""

from gradgate.contracts import IntegrityCheck, Policy
from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.signals import CATALOGUE, FactSignal, StepSignal, Unmeasured, per_layer
from gradgate.gate.signals.base import Read


class Awaited:
    """Signals of which no sample was seen yet.

    Attributes:
        waiting: Their names.
        missing: Why there is none, of those of which there will be none.
    """

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.missing: dict[str, str] = {}

    def merge(self, later: "Awaited") -> None:
        """Takes in what was seen of later steps."""
        self.missing |= {
            name: reason for name, reason in later.missing.items() if name in self.waiting
        }
        self.waiting &= later.waiting

    def begin_stretch(self, number: int) -> None:
        """One stretch is as good as another."""

    def end_stretch(self) -> None:
        """Nothing hangs on where a stretch ends."""


class Required:
    """The required signals of one optimizer, from before the first step is read until the end.

    Attributes:
        tally: What was not seen yet.
    """

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
        self._reads: dict[str, Read] = {}
        self.tally = Awaited()
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

    def __getstate__(self) -> dict[str, object]:
        """Without what reads a pass: each process begins one of its own."""
        return {**self.__dict__, "_reads": {}}

    @property
    def remembers(self) -> bool:
        """Whether the samples of one of them depend on steps before."""
        return any(_on_steps(name).remembers for name in self.tally.waiting)

    def feed(self, batch: StepBatch) -> None:
        """Looks for samples in a batch; one is enough, and a signal that breaks has none."""
        for name in sorted(self.tally.waiting):
            read = self._reads.setdefault(name, _on_steps(name).reader())
            try:
                samples = read(batch, self._evidence)
            except Exception as error:  # noqa: BLE001 - what breaks was not measured
                self.tally.missing[name] = f"{type(error).__name__}: {error}"
                self.tally.waiting.remove(name)
                continue
            measured = samples.measured
            if samples.value.size and (measured is None or measured.any()):
                self.tally.waiting.remove(name)

    def again(self) -> bool:
        """No: one look is enough."""
        return False

    def checks(self) -> tuple[IntegrityCheck, ...]:
        """Returns what was found; nothing where nothing is required."""
        if not self._names:
            return ()
        waiting = dict.fromkeys(self.tally.waiting, "there is no sample of it")
        missing = self._missing | self.tally.missing | waiting
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
            self.tally.waiting.add(name)

    def _look(self, name: str, signal: FactSignal, model: ModelCheck | None) -> None:
        try:
            signal.facts(self._evidence, model)
        except Unmeasured as reason:
            self._missing[name] = str(reason)
        except Exception as error:  # noqa: BLE001 - what breaks was not measured
            self._missing[name] = f"{type(error).__name__}: {error}"


def _on_steps(name: str) -> StepSignal:
    signal = CATALOGUE[name]
    assert isinstance(signal, StepSignal)
    return signal
