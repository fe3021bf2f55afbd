"""How a training is guarded, as one frozen object that a TFX Trainer can carry as JSON."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, cast

from gradgate.diagnosis.lint.exceptions import from_pattern
from gradgate.gradients import CLIPS, Clip, clip_from_config, clip_to_config
from gradgate.gradients.config import unknown

OnNonfinite = Literal["record", "skip", "stop"]
_ON_NONFINITE = ("record", "skip", "stop")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuardSettings:
    """What the guard does with gradients, and how much of them it writes down.

    Attributes:
        clip: Clips in the order of application; one alone may be given as it is. Empty clips
            nothing.
        on_nonfinite: What happens with a step whose loss or gradient is not finite. `record`:
            it is written down, and applied as Keras would. `skip`: it is not applied; weights,
            optimizer state and iteration count stay as if it had not been. `stop`: it is not
            applied, nor is any later one, and the training ends.
        statistics_every: Steps between two rows of full statistics (mean |g|, max |g|, zeros,
            non-finite entries); a non-finite step is sampled besides. 0 is never.
        ring_steps: Steps that the device holds before the host must have read them.
        seed: Given to `reproducible`; None leaves all generators as they are.
        lint_ignore: What the lint of the model lets go by: `RULE` or `RULE:LAYERS`, such as
            `relu-with-glorot:encoder/*`.
    """

    clip: tuple[Clip, ...] = ()
    on_nonfinite: OnNonfinite = "record"
    statistics_every: int = 50
    ring_steps: int = 512
    seed: int | None = None
    lint_ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        clips = () if self.clip is None else self.clip
        clips = tuple(clips) if isinstance(clips, (tuple, list)) else (clips,)
        object.__setattr__(self, "clip", clips)
        for clip in clips:
            if type(clip) not in CLIPS.values():
                raise ValueError(
                    f"GuardSettings: clip must be a clip or a tuple of clips, got {clip!r}."
                    " For example clip=ClipByGlobalNorm(max_norm=1.0); those that there are:"
                    f" {', '.join(kind.__name__ for kind in CLIPS.values())}."
                )
        if self.on_nonfinite not in _ON_NONFINITE:
            raise ValueError(
                "GuardSettings: " + unknown("on_nonfinite", self.on_nonfinite, _ON_NONFINITE)
            )
        _check_steps("statistics_every", self.statistics_every, least=0, most=1 << 31)
        _check_steps("ring_steps", self.ring_steps, least=2, most=1 << 20)
        if self.seed is not None:
            _check_steps("seed", self.seed, least=0, most=2**32 - 1)
        object.__setattr__(self, "lint_ignore", tuple(self.lint_ignore or ()))
        for pattern in self.lint_ignore:
            try:
                from_pattern(pattern)
            except ValueError as error:
                raise ValueError(f"GuardSettings: lint_ignore: {error}") from None

    def to_config(self) -> dict[str, Any]:
        """Returns the settings as JSON can hold them."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**fields, "clip": [clip_to_config(clip) for clip in self.clip]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "GuardSettings":
        """Returns the settings that `to_config` gave, or that a person wrote; all are optional.

        Raises:
            ValueError: If a field is unknown or its value cannot be; the message says which, and
                what was likely meant.
        """
        if not isinstance(config, Mapping):
            raise ValueError(f"GuardSettings: expected a mapping of fields, got {config!r}.")
        known = [field.name for field in dataclasses.fields(cls)]
        for name in config:
            if name not in known:
                raise ValueError("GuardSettings: " + unknown("field", name, known))
        clips = config.get("clip") or ()
        clips = (clips,) if isinstance(clips, Mapping) else clips
        if not isinstance(clips, (list, tuple)):
            raise ValueError(f"GuardSettings: clip must be a list of clips, got {clips!r}.")
        return cls(**{**config, "clip": tuple(clip_from_config(cast(Any, c)) for c in clips)})


def _check_steps(name: str, value: Any, *, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(
            f"GuardSettings: {name} must be a whole number from {least} to {most}, got {value!r}."
        )
