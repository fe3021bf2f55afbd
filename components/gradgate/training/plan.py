"""Which epoch a step belongs to, and how many steps were asked for."""


class Plan:
    """Adds up what each `fit` asks for.

    Args:
        said: Steps that somebody named; they win. None lets each fit say.

    Attributes:
        epoch: That the steps taken now belong to, from 0; it rises over several fits.
    """

    def __init__(self, said: int | None) -> None:
        self.epoch = 0
        self._said = said
        self._fits: list[int | None] = []
        self._has_begun_epoch = False

    @property
    def steps(self) -> int | None:
        """Planned optimizer steps; None when somebody did not say."""
        if self._said is not None:
            return self._said
        fits = [steps for steps in self._fits if steps is not None]
        return sum(fits) if fits and len(fits) == len(self._fits) else None

    def begin_fit(self) -> None:
        """Starts a fit, of which nothing is known yet."""
        self._fits.append(None)

    def set_fit(self, steps: int | None) -> None:
        """Says how many steps the fit that was begun last is to take."""
        self._fits[-1] = steps

    def begin_epoch(self, epoch: int) -> None:
        """Starts an epoch: the number that Keras gives it, or the next one if that was used."""
        self.epoch = max(epoch, self.epoch + 1) if self._has_begun_epoch else epoch
        self._has_begun_epoch = True
