"""Which graph is being traced, and for which replica: what can be used in it, how to leave it."""

import concurrent.futures
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf

Made = TypeVar("Made")
Function = TypeVar("Function", bound=Callable[..., Any])

_STRATEGY_NAMES = {  # of classes that are called otherwise in `tf.distribute`
    "_DefaultDistributionStrategy": "default",
    "CollectiveAllReduceStrategy": "MultiWorkerMirroredStrategy",
}


def is_reachable(value: Any) -> bool:
    """Says whether the code that is traced now, or run eagerly, can use a value.

    A symbolic tensor can be used in the graph it was made in, and in graphs inside of that one:
    the loss noted in one `tf.function` is out of reach in the next.
    """
    graph = getattr(value, "graph", None) if tf.is_symbolic_tensor(value) else None
    if graph is None:
        return True
    here = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    while here is not None:
        if here is graph:
            return True
        here = getattr(here, "outer_graph", None)
    return False


def as_written(function: Function) -> Function:
    """Keeps AutoGraph from rewriting a function, and what it calls, in a `tf.function` of a user.

    Ours branch on tensors by `tf.cond` alone. Rewriting them takes long, and where AutoGraph
    cannot, it says so to the user.
    """
    kept: Function = tf.autograph.experimental.do_not_convert(function)
    return kept


@as_written
def outside_of_traces(make: Callable[[], Made]) -> Made:
    """Returns what `make` gives, called where no function is being traced and no strategy holds.

    A variable that is made inside of a trace, even in `tf.init_scope`, lets TensorFlow trace the
    function a second time. What is traced is a matter of the thread, so this uses one of its own.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(make).result()


def replica() -> int:
    """Returns the number of the replica whose step is being traced, from 0 over all workers."""
    context = tf.distribute.get_replica_context()
    number = 0 if context is None else context.replica_id_in_sync_group
    return int(tf.get_static_value(number)) if tf.is_tensor(number) else int(number)


def replicas_here(strategy: tf.distribute.Strategy) -> int:
    """Returns how many of the replicas this process runs."""
    if strategy.num_replicas_in_sync == 1:
        return 1
    return max(1, len(strategy.extended.worker_devices))


def strategy_name(strategy: tf.distribute.Strategy) -> str:
    """Returns the name that people know a strategy by; "default" is that of none."""
    name = type(strategy).__name__
    return _STRATEGY_NAMES.get(name, name)


def replica_names(strategy: tf.distribute.Strategy) -> tuple[str, ...]:
    """Returns the name of each of several replicas, such as `worker 1`; nothing for one.

    One of several that a process runs has the number of its device besides: `worker 1, device 0`.
    """
    count, here = strategy.num_replicas_in_sync, replicas_here(strategy)
    if count == 1:
        return ()
    if here == count:
        return tuple(f"replica {number}" for number in range(count))
    tasks = task_names(strategy)
    if here == 1:
        return tasks
    return tuple(f"{task}, device {number}" for task in tasks for number in range(here))


def task_names(strategy: tf.distribute.Strategy) -> tuple[str, ...]:
    """Returns the processes that train together, the chief first, as TensorFlow numbers them."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return ()
    spec = resolver.cluster_spec()
    jobs = [job for job in ("chief", "worker") if job in spec.jobs]
    return tuple(f"{job} {number}" for job in jobs for number in range(spec.num_tasks(job)))


def task_name(strategy: tf.distribute.Strategy) -> str:
    """Returns the name of this process among those that train together; empty for a lone one."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return ""
    return f"{resolver.task_type} {resolver.task_id or 0}"


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Says whether this process writes for all: the chief, else worker 0; a lone one always."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    has_chief = "chief" in resolver.cluster_spec().jobs
    wanted = ("chief", 0) if has_chief else ("worker", 0)
    return (resolver.task_type, resolver.task_id or 0) == wanted
