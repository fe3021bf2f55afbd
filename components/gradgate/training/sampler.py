"""When a step is looked at closely, and where what was seen is kept.

On schedule, and at once when something is odd: a number that is not finite, or a norm far above
its running median. All of it stands behind one condition that is almost never true.

Where norms leap all the time, spikes are no longer odd, and to look at each would cost as much as a
look at every step. So spikes have a budget: some at once, and one more for each scheduled sample.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gradgate.gradients import Norms
from gradgate.gradients.norms import (
    half_squares,
    norms_from_half_squares,
    norms_if_finite_else_scaled,
)
from gradgate.gradients.rarely import Traced, unless_rare
from gradgate.gradients.sparse import Gradient
from gradgate.training.layout import ODD, SAMPLED, SKETCH, SKETCHED, Layout
from gradgate.training.ring import SampleRing
from gradgate.training.sample import Regularizer, sample_of, sketch_of

MOST_ANOMALIES = 32  # samples besides the scheduled ones, between two reads
MOST_SPIKES = 16  # of these, at once; as many of all as this and the scheduled ones
_SPIKE = 100.0  # of half squares: a norm 10 times its running median
_MEDIAN_STEP = 1.1  # of half squares: 5 % of a norm a step
_WARMUP = 16  # steps before a median means something


class Look(NamedTuple):
    """What was seen of a step before its update."""

    norms: Norms
    kind: tf.Tensor  # float32 []: bits of the flags; 0 where nothing is kept
    place: tf.Tensor  # int32 []: in the ring of samples
    counts: tf.Tensor  # int32 [2]: samples there and spikes spent, with this one
    is_usual: tf.Tensor  # bool []: whether nothing more is to be known of the step
    sample: tf.Tensor  # float32 [looked_width]


def norms_of_step(gradients: Sequence[Gradient], loss: tf.Tensor | None) -> Norms:
    """Returns the norms of a step that is never looked at closely, see `Sampler.look`."""
    halves = half_squares(gradients)
    total = tf.reduce_sum(halves)
    is_usual = tf.math.is_finite(total if loss is None else total + loss)
    return Norms(
        *unless_rare(
            is_usual,
            lambda halves, total, *_: tuple(norms_from_half_squares(halves, total)),
            lambda halves, total, *given: tuple(norms_if_finite_else_scaled(halves, total, given)),
            (halves, total, *gradients),
        )
    )


class Sampler:
    """Looks closely at some of the steps.

    Args:
        layout: Of a sample.
        every: Steps between two scheduled samples, above 0.
        ring_steps: Steps that the device holds.
        regularizers: One for each variable, to take out of its gradient; empty for none.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        every: int,
        ring_steps: int,
        regularizers: Sequence[Regularizer | None] = (),
    ) -> None:
        self._layout, self._every, self._regularizers = layout, every, tuple(regularizers)
        scheduled = 2 * -(-ring_steps // every)  # with the step before, for the cosine
        self._ring = SampleRing(
            width=layout.sample_width, capacity=min(scheduled, ring_steps) + MOST_ANOMALIES
        )
        self._traced: Traced = {}
        self.median = tf.Variable(tf.zeros([layout.variables]), trainable=False)

    @property
    def device_bytes(self) -> int:
        """What it holds on the device."""
        return self._ring.device_bytes + 4 * self._layout.variables

    def look(
        self,
        gradients: Sequence[Gradient],
        weights: Sequence[tf.Tensor],
        loss: tf.Tensor | None,
        step: tf.Tensor,
    ) -> Look:
        """Returns the norms of a step, and a sample if it is to have one.

        Args:
            gradients: One for each of the v variables, without duplicate rows.
            weights: Values of the variables.
            loss: Float32 []; None when it is not known.
            step: Int64 [].
        """
        halves = half_squares(gradients)
        total = tf.reduce_sum(halves)
        is_finite = tf.math.is_finite(total if loss is None else total + loss)
        is_calm = self._has_no_spike(halves, step) & is_finite
        phase = (step + 1) % self._every  # 1: a sample; 0: the sketch of the step before one
        v, width, counts = self._layout.variables, self._layout.looked_width, self._ring.counts()
        capacity, every = self._ring.capacity, self._every

        def usual(
            halves: tf.Tensor,
            total: tf.Tensor,
            _phase: tf.Tensor,
            _is_calm: tf.Tensor,
            _is_finite: tf.Tensor,
            counts: tf.Tensor,
            *_: Any,
        ) -> tuple[tf.Tensor, ...]:
            norms = norms_from_half_squares(halves, total)
            place, is_usual = tf.constant(capacity), tf.constant(value=True)
            return *norms, tf.constant(0.0), place, counts, is_usual, tf.zeros([width])

        def rare(
            halves: tf.Tensor,
            total: tf.Tensor,
            phase: tf.Tensor,
            is_calm: tf.Tensor,
            is_finite: tf.Tensor,
            counts: tf.Tensor,
            *given: Any,
        ) -> tuple[tf.Tensor, ...]:
            # The same norms as on a usual step when they can be had: sampling changes no result.
            norms = norms_if_finite_else_scaled(halves, total, given[:v])
            held, spent = tf.unstack(counts)
            is_scheduled = tf.constant(every == 1) | (phase <= 1)
            is_before = tf.equal(phase, 0) & is_calm & tf.constant(every > 1)
            is_spike = ~is_scheduled & is_finite
            # What is odd leaves room for what is scheduled.
            has_room = held < tf.where(is_scheduled, capacity, MOST_ANOMALIES)
            has_room &= ~is_spike | (spent < MOST_SPIKES)
            is_sample = has_room & ~is_before

            def seen(is_sample: tf.Tensor, *given: Any) -> tuple[tf.Tensor, ...]:
                (looked,) = unless_rare(
                    ~is_sample,
                    lambda *_: (tf.zeros([width - v * SKETCH]),),
                    lambda *given: (sample_of(given[:v], given[v:], self._regularizers),),
                    given,
                )
                return (tf.concat([looked, sketch_of(given[:v])], axis=0),)

            (sample,) = unless_rare(
                ~has_room, lambda *_: (tf.zeros([width]),), seen, (is_sample, *given)
            )
            kind = tf.where(is_before, float(SKETCHED), float(SKETCHED | SAMPLED))
            kind += tf.where(is_scheduled, 0.0, float(ODD))
            earned = tf.cast(is_scheduled & ~is_before & (spent > 0), tf.int32)
            more = tf.stack([1, tf.cast(is_spike, tf.int32)]) * tf.cast(has_room, tf.int32)
            return (
                *norms,
                tf.where(has_room, kind, 0.0),
                tf.where(has_room, held, capacity),
                counts + more - tf.stack([0, earned]),
                ~is_sample,
                sample,
            )

        is_usual = (phase > 1) & is_calm
        arguments = (halves, total, phase, is_calm, is_finite, counts, *gradients, *weights)
        each, overall, *seen = unless_rare(is_usual, usual, rare, arguments, self._traced)
        return Look(Norms(each, overall), *seen)

    def look_closely(
        self, gradients: Sequence[Gradient], weights: Sequence[tf.Tensor], norms: Norms
    ) -> Look:
        """Returns a sample of gradients that are odd, see `look`."""
        counts = self._ring.counts()
        held = counts[0]
        has_room = held < MOST_ANOMALIES
        sample = [sample_of(gradients, weights, self._regularizers), sketch_of(gradients)]
        return Look(
            norms=norms,
            kind=tf.where(has_room, float(SAMPLED | SKETCHED | ODD), 0.0),
            place=tf.where(has_room, held, self._ring.capacity),
            counts=counts + tf.stack([tf.cast(has_room, tf.int32), 0]),
            is_usual=tf.constant(value=False),
            sample=tf.concat(sample, axis=0),
        )

    def write(self, look: Look, of_update: tf.Tensor, *, unless: tf.Tensor | None = None) -> None:
        """Keeps the sample, if it is one.

        Args:
            look: From before the update.
            of_update: Float32 [update_width], see `Layout`.
            unless: Bool []; where it is true nothing is kept.
        """
        place, counts = look.place, look.counts
        if unless is not None:
            place = tf.where(unless, self._ring.capacity, place)
            counts = tf.where(unless, self._ring.counts(), counts)
        self._ring.put(tf.concat([look.sample, of_update], axis=0), place, counts)

    def read(self) -> NDArray[np.float32]:
        """Returns the samples that were not returned before, on the host."""
        return self._ring.read()

    def state(self) -> dict[str, NDArray[Any]]:
        """Returns what a resumed training needs to go on in the same way."""
        return {"median": self.median.numpy(), "spikes": self._ring.own_number()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Goes on from what `state` gave."""
        if "median" in state:
            self.median.assign(state["median"])
        self._ring.start_at(int(state.get("spikes", 0)))

    def _has_no_spike(self, halves: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns bool [], whether no norm is far above its running median, which moves on.

        Source: Ma, Muthukrishnan and Sandler (2013), Frugal streaming for estimating quantiles,
        https://arxiv.org/abs/1407.1121, with steps by a factor.
        """
        median = self.median.read_value()
        factor = tf.where(halves > median, _MEDIAN_STEP, 1 / _MEDIAN_STEP)
        # One that is 0 yet, NaN or infinite starts anew.
        is_known = tf.math.is_finite(tf.math.log(median))
        self.median.assign(tf.where(is_known, median * factor, halves), read_value=False)
        return tf.reduce_all(halves <= _SPIKE * median) | (step < _WARMUP)
