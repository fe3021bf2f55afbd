"""All that a step changes, to be put back as it was."""

import dataclasses
from typing import Any

import keras
import numpy as np

from gradgate.training.replaying.program import Program

_GENERATOR = "seed_generator_state"  # uint32 [2], the seed and a counter, as Keras names it


@dataclasses.dataclass(frozen=True)
class State:
    """Values of variables: weights, the generators of random numbers, optimizers' slots."""

    variables: tuple[Any, ...]
    values: tuple[Any, ...]

    @classmethod
    def of(cls, program: Program) -> "State":
        """Returns what the variables hold now."""
        known = {id(each): each for each in program.model.variables}
        for optimizer in program.all_optimizers():
            known |= {id(each): each for each in optimizer.variables}
        variables = tuple(known.values())
        return cls(variables, tuple(map(keras.ops.convert_to_numpy, variables)))

    def restore(self) -> None:
        """Gives the variables what they held."""
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)

    def drawn(self, after: "State", times: int) -> "State":
        """Returns the state with its random numbers as far on as after so many more steps.

        Keras does not save where its generators of random numbers are, so a model that is restored
        from a checkpoint begins them anew.

        Args:
            after: The state one batch later: each batch draws as many.
            times: Batches.
        """
        values = [
            before + (now - before) * np.array(times, before.dtype)
            if variable.name == _GENERATOR
            else before
            for variable, before, now in zip(self.variables, self.values, after.values, strict=True)
        ]
        return State(self.variables, tuple(values))

    def nonfinite(self) -> dict[str, int]:
        """Returns how many entries of each variable are NaN or infinite, where any are, by path."""
        counts = {
            variable.path: int(np.count_nonzero(~np.isfinite(value)))
            for variable, value in zip(self.variables, self.values, strict=True)
            if np.issubdtype(value.dtype, np.floating)
        }
        return {path: count for path, count in counts.items() if count}
