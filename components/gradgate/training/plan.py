"""Which epoch a step belongs to, and how many steps were asked for."""

from fractions import Fraction


class Plan:
    """Adds up what each `fit` asks for.

    Args:
        said: Steps that somebody named; they win. None lets each fit say.
        batches_a_step: Batches whose gradients are averaged for one step.

    Attributes:
        epoch: That the steps taken now belong to, from 0; it rises over several fits.
    """

    def __init__(self, said: int | None, *, batches_a_step: int = 1) -> None:
        self.epoch = 0
        self._said = said
        self._resumed_at = Fraction(0)  # steps, of which the last one may be a part
        self._pace = Fraction(1, batches_a_step)  # steps a batch
        self._fits: list[Fraction | None] = []  # steps
        self._batches: int | None = None  # of the fit that was begun last, all epochs
        self.began_at = 0
        self._has_begun_epoch = False

    @property
    def steps(self) -> int | None:
        """Planned optimizer steps; None when somebody did not say."""
        if self._said is not None:
            return self._said
        fits = [steps for steps in self._fits if steps is not None]
        is_known = fits and len(fits) == len(self._fits)
        return int(self._resumed_at + sum(fits)) if is_known else None

    def resume_at(self, taken: int, batches: int) -> None:
        """Goes on after so many steps of a killed training, and so many batches of the next one.

        Called once that is known, which is when the first fit takes its first step.
        """
        self._resumed_at = taken + batches * self._pace
        self.began_at += taken

    def begin_fit(self, taken: int) -> None:
        """Starts a fit, of which nothing is known yet, after so many steps."""
        self._fits.append(None)
        self._batches, self.began_at = None, taken

    def set_fit(self, batches: int) -> None:
        """Says how many batches the fit that was begun last is to take in all its epochs."""
        self._batches = batches
        self._fits[-1] = batches * self._pace

    def note_pace(self, batches: int, steps: int) -> None:
        """Learns from the first batches how many steps one makes: a loop may take several."""
        if batches and steps > batches and steps % batches == 0:
            self._pace = Fraction(steps // batches)
            if self._batches is not None:
                self.set_fit(self._batches)

    def set_fit_from_epoch(self, taken: int, epochs: int) -> None:
        """Plans the fit by its first epoch, which is over after so many steps."""
        self._fits[-1] = Fraction((taken - self.began_at) * epochs)

    def end_fit(self, taken: int) -> None:
        """Ends a fit early, after so many steps, as it was meant to end."""
        self._fits[-1] = Fraction(taken - self.began_at)

    def begin_epoch(self, epoch: int) -> None:
        """Starts an epoch: the number that Keras gives it, or the next one if that was used."""
        self.epoch = max(epoch, self.epoch + 1) if self._has_begun_epoch else epoch
        self._has_begun_epoch = True
