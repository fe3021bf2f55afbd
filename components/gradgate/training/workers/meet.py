"""How the processes find each other: the chief says where it listens, in a collective of all."""

import secrets

import tensorflow as tf

from gradgate.training.scope import is_chief, replicas_here, task_names
from gradgate.training.workers.limits import WatchLimits
from gradgate.training.workers.lines import ChiefLines, Lines, WorkerLines

_PARTS, _BITS = 5, 24  # of the token: numbers that float32 holds exactly


def meet(strategy: tf.distribute.Strategy, limits: WatchLimits) -> Lines:
    """Returns the lines of this process; all processes call it at the same place.

    The number of the port and a token that no stranger knows go out in one sum over all replicas,
    to which only the chief adds something.

    Raises:
        OSError: If the chief cannot listen on its port.
    """
    names = task_names(strategy)
    chief, *workers = names
    job, number = chief.split()
    address = strategy.cluster_resolver.cluster_spec().task_address(job, int(number))
    host = address.rpartition(":")[0].strip("[]")
    if not is_chief(strategy):
        told = _sum(strategy, [0] * (1 + _PARTS))
        return WorkerLines(chief, host=host, port=told[0], token=_token(told[1:]))
    parts = [secrets.randbits(_BITS) for _ in range(_PARTS)]
    lines = ChiefLines(workers, host=host, port=limits.port, token=_token(parts))
    _sum(strategy, [lines.port, *parts])
    return lines


def _token(parts: list[int]) -> str:
    return "-".join(f"{part:06x}" for part in parts)


def _sum(strategy: tf.distribute.Strategy, numbers: list[int]) -> list[int]:
    """Returns the sum over all processes."""
    here = float(replicas_here(strategy))

    def tell() -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        summed = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.constant(numbers, tf.float32))
        return tf.identity(summed)

    summed = tf.function(lambda: strategy.run(tell), autograph=False)()
    first = strategy.experimental_local_results(summed)[0]
    return [round(number / here) for number in first.numpy().tolist()]
