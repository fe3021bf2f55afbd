"""The policy: what a training must have been like for its model to be pushed.

A rule is data in success form: it states what must be true (`expect`) of one number, and passes
only if that number was measured and the comparison is true. The vocabulary is closed, so a policy
can be checked, compared and tested without running any code of its own.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, StringConstraints, field_validator, model_validator

from gradgate.contracts.base import Contract

API_VERSION = "gradgate/v1"
Severity = Literal["block", "warn"]
Comparison = Literal["==", "<", "<=", ">", ">="]
Percent = Annotated[str, StringConstraints(pattern=r"^(100|[1-9]?\d(\.\d+)?)%$")]
Steps = Annotated[int, Field(ge=1)]
Extent = Steps | Percent
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]


class Metadata(Contract):
    """Who answers for the policy. `revision` rises with every change that people make."""

    id: Identifier
    revision: int = Field(ge=1)
    owner: str = Field(min_length=1)
    description: str = ""


class Coverage(Contract):
    """How much of the training must have been seen. A failure here blocks and cannot be waived.

    Attributes:
        min_steps: Least number of optimizer steps.
        min_step_fraction: Least fraction of the planned steps, in (0, 1].
        max_gap_steps: Most steps that may be missing in a row.
        min_variable_fraction: Least fraction of the trainable variables that have statistics.
    """

    min_steps: int = Field(default=1, ge=1)
    min_step_fraction: FiniteFloat = Field(default=0.98, gt=0, le=1)
    max_gap_steps: int = Field(default=0, ge=0)
    min_variable_fraction: FiniteFloat = Field(default=1.0, gt=0, le=1)


class Window(Contract):
    """Which steps a rule looks at: a number of steps, or a percentage of the planned steps.

    Attributes:
        skip_first: Steps left out at the start. `burn-in` is 1 % of the planned steps, at least
            10: gradients of the first steps say little about the run.
        first, last: Only so many steps from the start, or up to the end. At most one of the two.
    """

    skip_first: Extent | Literal["burn-in"] | None = None
    first: Extent | None = None
    last: Extent | None = None

    @model_validator(mode="after")
    def _one_end(self) -> "Window":
        if self.first is not None and self.last is not None:
            raise ValueError("window: 'first' and 'last' exclude each other; keep one.")
        return self


class Scope(Contract):
    """Which variables a rule looks at; each of them must satisfy it.

    Attributes:
        include, exclude: Globs over variable paths; `**` crosses `/`, `*` does not.
        min_rank: Least number of dimensions: 2 leaves out biases and normalisation weights.
    """

    include: tuple[str, ...] = Field(default=("**",), min_length=1)
    exclude: tuple[str, ...] = ()
    min_rank: int = Field(default=0, ge=0)


class Reduce(Contract):
    """Reduces the samples of a window by a plain function."""

    fn: Literal["sum", "mean", "max", "min", "last"]


class SustainedMax(Contract):
    """The greatest value that was reached or passed in `steps` samples in a row."""

    fn: Literal["sustained_max"]
    steps: int = Field(ge=1)


class Persistence(Contract):
    """How persistently samples compare so; a fault that healed does not count.

    The fraction of samples that do, over the window or over its last `tail` samples, whichever
    is smaller.
    """

    fn: Literal["persistence"]
    op: Comparison
    value: FiniteFloat
    tail: int = Field(default=100, ge=1)


class Improvement(Contract):
    """Relative fall of the median from the first `portion` to the last; positive when it fell."""

    fn: Literal["improvement"]
    portion: FiniteFloat = Field(default=0.1, gt=0, le=0.5)


class TailMedian(Contract):
    """Median of the last `portion` of the samples."""

    fn: Literal["tail_median"]
    portion: FiniteFloat = Field(default=0.1, gt=0, le=1)


Aggregate = Annotated[
    Reduce | SustainedMax | Persistence | Improvement | TailMedian, Field(discriminator="fn")
]


class Compare(Contract):
    """Passes when `observed op value` is true. There is no tolerance: write `<=` for at most."""

    op: Comparison
    value: FiniteFloat


class Between(Contract):
    """Passes when `low <= observed <= high`."""

    op: Literal["between"]
    low: FiniteFloat
    high: FiniteFloat

    @model_validator(mode="after")
    def _ordered(self) -> "Between":
        if not self.low < self.high:
            raise ValueError(f"between: low must be below high, got {self.low} and {self.high}.")
        return self


Expect = Annotated[Compare | Between, Field(discriminator="op")]


class Rule(Contract):
    """One condition on one signal.

    Attributes:
        id: Stable: tags, waivers and tests name the rule by it.
        description: What the rule is for, and why its limit is what it is.
        min_samples: Fewest steps that were measured, for each variable in scope; fewer is
            `unknown`. None takes the policy's default.
        severity: What a failure does. None takes the policy's default.
        on_missing: What `unknown` does; never milder than `severity`, which is its default.
        when_improving: `warn` makes a failure milder while the loss still improves: some symptoms
            are harmless in a run that learns.
    """

    id: Identifier
    description: str = ""
    signal: str
    scope: Scope = Scope()
    window: Window = Window()
    aggregate: Aggregate
    expect: Expect
    min_samples: int | None = Field(default=None, ge=1)
    severity: Severity | None = None
    on_missing: Severity | None = None
    when_improving: Literal["warn"] | None = None


class Defaults(Contract):
    """What a rule has that does not say otherwise."""

    severity: Severity = "block"
    min_samples: int = Field(default=20, ge=1)


class Policy(Contract):
    """A set of rules, each of which is asked; the strictest answer is the decision.

    Attributes:
        require_evaluator: The Evaluator must have blessed the same model.
        require_trained_weights: The exported model must hold the very weights that the guard saw
            last. False is for exports that change them on purpose, such as averaged ones.
    """

    api_version: Literal["gradgate/v1"] = Field(alias="apiVersion")
    kind: Literal["TrainingHealthPolicy"]
    metadata: Metadata
    coverage: Coverage = Coverage()
    defaults: Defaults = Defaults()
    require_evaluator: bool = True
    require_trained_weights: bool = True
    rules: tuple[Rule, ...] = Field(min_length=1)

    @field_validator("rules")
    @classmethod
    def _unique(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        ids = [rule.id for rule in rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"rules: id used twice: {', '.join(twice)}.")
        return rules

    @model_validator(mode="after")
    def _can_block(self) -> "Policy":
        if all(self.severity_of(rule) == "warn" for rule in self.rules):
            raise ValueError("rules: none has severity block, so this policy could never block.")
        for rule in self.rules:
            if self.severity_of(rule) == "block" and rule.on_missing == "warn":
                raise ValueError(
                    f"rules: {rule.id}: on_missing is warn and severity is block; what was not"
                    " measured must not be treated more mildly than what failed."
                )
        return self

    def severity_of(self, rule: Rule) -> Severity:
        """Severity of a rule of this policy."""
        return rule.severity or self.defaults.severity

    def min_samples_of(self, rule: Rule) -> int:
        """Fewest samples of a rule of this policy."""
        return rule.min_samples or self.defaults.min_samples

    def document(self) -> dict[str, Any]:
        """The policy as plain JSON values, defaults filled in: what its digest is taken of."""
        return self.model_dump(mode="json", by_alias=True)
