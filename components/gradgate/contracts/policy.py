"""The policy: what a training must have been like for its model to be pushed.

A rule is data in success form: it states what must be true (`expect`) of one number, and passes
only if that number was measured and the comparison is true. The vocabulary is closed, so a policy
can be checked, compared and tested without running any code of its own.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, FiniteFloat, StringConstraints, field_validator, model_validator

from gradgate.contracts.aggregates import Aggregate as Aggregate
from gradgate.contracts.aggregates import Comparison as Comparison
from gradgate.contracts.aggregates import Improvement as Improvement
from gradgate.contracts.aggregates import Persistence as Persistence
from gradgate.contracts.aggregates import Reduce as Reduce
from gradgate.contracts.aggregates import SustainedMax as SustainedMax
from gradgate.contracts.aggregates import TailMedian as TailMedian
from gradgate.contracts.base import Contract
from gradgate.contracts.baseline import Baseline, Relative
from gradgate.contracts.times import Duration, Instant

API_VERSION = "gradgate/v1"
Severity = Literal["block", "warn"]
Mode = Literal["enforce", "shadow"]
Percent = Annotated[str, StringConstraints(pattern=r"^(100|[1-9]?\d(\.\d+)?)%$")]
Steps = Annotated[int, Field(ge=1)]
Extent = Steps | Percent
From = Annotated[int, Field(ge=0)] | Percent
_LATER: Final[dict[str, Any]] = {
    "mode": "enforce",
    "shadow_rules": [],
    "staleness": {"max_age_after_export": None, "max_clock_skew": "5m"},
    "max_waiver_days": 90,
    "required_signals": [],
    "review_by": None,
    "range": None,
    "quantifier": "all",
    "baseline": {
        "last": 5,
        "since": None,
        "anchor": None,
        "on_absent": "warn",
        "comparable_if": {"min_shared_variables": 0.9, "same_optimizer": True},
    },
    "compare": None,
    "warn_for": [],
}
OptimizerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]


class Metadata(Contract):
    """Who answers for the policy. `revision` rises with every change that people make.

    Attributes:
        review_by: When somebody must look at the limits again; past that, every verdict warns.
    """

    id: Identifier
    revision: int = Field(ge=1)
    owner: str = Field(min_length=1)
    description: str = ""
    review_by: Instant | None = None


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


class Staleness(Contract):
    """How old a training may be, and how far clocks may differ.

    Attributes:
        max_age_after_export: Longest time between the end of the training and its judgement; a
            failure blocks, and can be waived as `T-STALE`. None asks nothing.
        max_clock_skew: How far the training may end after its judgement before the clock counts as
            set back; then no waiver is in force.
    """

    max_age_after_export: Duration | None = None
    max_clock_skew: Duration = "5m"


class Window(Contract):
    """Which steps a rule looks at: a number of steps, or a percentage of the planned steps.

    Attributes:
        skip_first: Steps left out at the start. `burn-in` is 1 % of the planned steps, at least
            10: gradients of the first steps say little about the run.
        first, last: Only so many steps from the start, or up to the end. At most one of the two.
        range: From the one on until before the other, such as `[10%, 50%]`; nothing else then.
    """

    skip_first: Extent | Literal["burn-in"] | None = None
    first: Extent | None = None
    last: Extent | None = None
    range: tuple[From, Extent] | None = None

    @model_validator(mode="after")
    def _one_end(self) -> "Window":
        if self.first is not None and self.last is not None:
            raise ValueError("window: 'first' and 'last' exclude each other; keep one.")
        if self.range is not None and {self.skip_first, self.first, self.last} != {None}:
            raise ValueError("window: 'range' says it all; remove the others.")
        if self.range is not None and not _is_ordered(*self.range):
            raise ValueError(f"window: 'range' must rise, got {self.range[0]} to {self.range[1]}.")
        return self


def _is_ordered(start: int | str, stop: int | str) -> bool:
    """Whether a range can hold a step; of a number and a percentage nobody knows yet."""
    if isinstance(start, int) and isinstance(stop, int):
        return start < stop
    if isinstance(start, str) and isinstance(stop, str):
        return float(start.removesuffix("%")) < float(stop.removesuffix("%"))
    return True


class AtMost(Contract):
    """So many may fail."""

    at_most: int = Field(ge=0)


class Fraction(Contract):
    """So large a part of them may fail."""

    fraction: FiniteFloat = Field(ge=0, lt=1)


Quantifier = Literal["all", "any"] | AtMost | Fraction


class Scope(Contract):
    """Which variables a rule looks at, and how many of them must satisfy it.

    Attributes:
        include, exclude: Globs over variable paths; `**` crosses `/`, `*` does not.
        min_rank: Least number of dimensions: 2 leaves out biases and normalisation weights.
        quantifier: `all` of them, `any` one, or all but `{at_most: N}` or `{fraction: F}`. One at
            least always must, and one that is not finite is never among those that may fail.
    """

    include: tuple[str, ...] = Field(default=("**",), min_length=1)
    exclude: tuple[str, ...] = ()
    min_rank: int = Field(default=0, ge=0)
    quantifier: Quantifier = "all"


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
        on_missing: What `unknown` does; never milder than `severity`, which is its default, but in
            a policy whose mode is shadow.
        when_improving: `warn` makes a failure milder while the loss still improves: some symptoms
            are harmless in a run that learns.
        warn_for: Keras class names of optimizers, such as `Adam`, under which a failure is a
            warning: what starves one may be harmless to another. Any other, also an unknown one,
            is judged by `severity`.
        compare: With it, what is expected is expected of the ratio to, or the difference from, a
            baseline.
    """

    id: Identifier
    description: str = ""
    signal: str
    scope: Scope = Scope.model_construct()
    window: Window = Window.model_construct()
    aggregate: Aggregate
    compare: Relative | None = None
    expect: Expect
    min_samples: int | None = Field(default=None, ge=1)
    severity: Severity | None = None
    on_missing: Severity | None = None
    when_improving: Literal["warn"] | None = None
    warn_for: tuple[OptimizerName, ...] = ()


class Defaults(Contract):
    """What a rule has that does not say otherwise."""

    severity: Severity = "block"
    min_samples: int = Field(default=20, ge=1)


class Policy(Contract):
    """A set of rules, each of which is asked; the strictest answer is the decision.

    Attributes:
        required_signals: What must have been measured, whatever the rules ask; if it was not, the
            model is blocked, and that cannot be waived.
        mode: `shadow` asks every rule and blocks nothing; only evidence that is not in order does.
        require_evaluator: The Evaluator must have blessed the same model.
        require_trained_weights: The exported model must hold the very weights that the guard saw
            last. False is for exports that change them on purpose, such as averaged ones.
        max_waiver_days: Longest time that a waiver may be in force; at most 90.
        baseline: What rules with `compare` compare with.
        shadow_rules: Ids of rules that are asked and reported apart, and never decide.
    """

    api_version: Literal["gradgate/v1"] = Field(alias="apiVersion")
    kind: Literal["TrainingHealthPolicy"]
    metadata: Metadata
    mode: Mode = "enforce"
    required_signals: tuple[str, ...] = ()
    coverage: Coverage = Coverage.model_construct()
    staleness: Staleness = Staleness.model_construct()
    baseline: Baseline = Baseline.model_construct()
    defaults: Defaults = Defaults.model_construct()
    require_evaluator: bool = True
    require_trained_weights: bool = True
    max_waiver_days: int = Field(default=90, ge=1, le=90)
    rules: tuple[Rule, ...] = Field(min_length=1)
    shadow_rules: tuple[str, ...] = ()

    @field_validator("rules")
    @classmethod
    def _unique(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        ids = [rule.id for rule in rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"id used twice: {', '.join(twice)}.")
        return rules

    @model_validator(mode="after")
    def _can_block(self) -> "Policy":
        deciding = [rule for rule in self.rules if not self.is_shadow(rule)]
        if all(self.severity_of(rule) == "warn" for rule in deciding):
            but = " but those in shadow_rules" if self.shadow_rules else ""
            raise ValueError(
                f"rules: none{but} has severity block, so this policy could never block."
            )
        blocking = [rule for rule in deciding if self.severity_of(rule) == "block"]
        if all(rule.compare for rule in blocking):
            raise ValueError(
                "rules: all that have severity block compare with a baseline, and a first training"
                " has none; add one without compare."
            )
        for rule in self.rules if self.mode == "enforce" else ():
            if self.severity_of(rule) == "block" and rule.on_missing == "warn":
                raise ValueError(
                    f"rules: {rule.id}: on_missing is warn and severity is block; what was not"
                    " measured must not be treated more mildly than what failed."
                )
        return self

    def severity_of(self, rule: Rule) -> Severity:
        """Severity of a rule of this policy."""
        return rule.severity or self.defaults.severity

    def is_shadow(self, rule: Rule) -> bool:
        """Whether a rule of this policy is asked without deciding anything."""
        return rule.id in self.shadow_rules

    @property
    def compares(self) -> bool:
        """Whether any rule of this policy compares with earlier trainings."""
        return any(rule.compare for rule in self.rules)

    def min_samples_of(self, rule: Rule) -> int:
        """Fewest samples of a rule of this policy."""
        return rule.min_samples or self.defaults.min_samples

    def document(self) -> dict[str, Any]:
        """The policy as plain JSON values, defaults filled in: what its digest is taken of.

        Fields that came after the first policies are left out where they say nothing, so that the
        digest of a policy from before them stays.
        """
        document = self.model_dump(mode="json", by_alias=True)
        rules = document["rules"]
        of_rules = [rule[name] for rule in rules for name in ("window", "scope")]
        for part in (document, document["metadata"], *rules, *of_rules):
            for name, nothing in _LATER.items():
                if name in part and part[name] == nothing:
                    del part[name]
        return document
