"""Faults of what brings the steps before the rules: in this process, and on Beam's workers."""

from one_mutant import Mutant, of

ENGINES: tuple[Mutant, ...] = (
    # --- In this process -------------------------------------------------------------------------
    of(
        "the last batch of a record is not shown",
        "gate/engines/in_process.py",
        "    for batch in evidence.batches():\n",
        "    for batch in [*evidence.batches()][:-1]:\n",
        "gate/test_engines.py::test_every_golden_run",
    ),
    of(
        "one look at the steps is enough for everybody",
        "gate/engines/base.py",
        "        looking = [watcher for watcher in looking if watcher.again()]\n",
        "        looking = []\n",
        "gate/test_engines.py::test_memory_of_any_size_changes_nothing",
    ),
    # --- On Beam ---------------------------------------------------------------------------------
    of(
        "stretches are merged as they come",
        "gate/engines/beam.py",
        "        return self.group == other.group and self.stop == other.first\n",
        "        return self.group == other.group\n",
        "gate/test_beam_merging.py",
    ),
    of(
        "stretches are put together in no order, and what is left apart is lost",
        "gate/engines/beam.py",
        "    for run in sorted(runs, key=lambda run: (run.group, run.first)):\n",
        "    for run in runs:\n",
        "gate/test_beam_merging.py",
    ),
    of(
        "nobody misses a stretch that a pipeline lost",
        "gate/engines/beam.py",
        "        if [(run.group, run.first, run.stop) for run in runs] != expected:\n",
        "        if False:\n",
        "gate/test_beam_merging.py",
    ),
    of(
        "the last stretch is not sent out",
        "gate/engines/beam.py",
        "    return found\n",
        "    return found[:-1] or found\n",
        "gate/test_engines.py::test_every_aggregate_and_signals_that_remember",
    ),
    of(
        "a worker does not say which stretch it saw",
        "gate/engines/beam.py",
        "            watcher.tally.begin_stretch(task.number)\n",
        "            watcher.tally.begin_stretch(0)\n",
        "gate/test_engines.py::test_every_aggregate_and_signals_that_remember",
    ),
    of(
        "a signal that remembers is read by workers that did not see what came before",
        "gate/engines/beam.py",
        "        groups = ([w for w in watchers if not w.remembers],"
        " [w for w in watchers if w.remembers])\n",
        "        groups = (list(watchers), [])\n",
        "gate/test_engines.py::test_every_aggregate_and_signals_that_remember",
    ),
    of(
        "a part that a worker could not read is left out",
        "gate/engines/beam.py",
        "            problems += [run.problem] if run.problem else []\n",
        "",
        "gate/test_engines.py::test_a_part_that_cannot_be_read_ends_both_at_the_same_step",
    ),
    of(
        "steps count that come after a part that could not be read",
        "gate/engines/beam.py",
        "        if self.problem is None:\n            self.problem = later.problem\n",
        "        if True:\n            self.problem = self.problem or later.problem\n",
        "gate/test_engines.py::test_a_part_that_cannot_be_read_ends_both_at_the_same_step",
    ),
    of(
        "a rule that broke on a worker is judged by what the others saw",
        "gate/aggregates/seen.py",
        "        self.error = later.error\n",
        "",
        "gate/test_engines.py::test_a_rule_that_breaks_half_way_breaks_the_same_way",
    ),
    of(
        "what is not finite stays behind on the worker that saw it",
        "gate/aggregates/base.py",
        "        self._is_broken |= later._is_broken\n",
        "",
        "gate/test_every_aggregate.py",
    ),
    of(
        "gaps between two stretches are not seen",
        "gate/integrity/coverage.py",
        "        self._leap(first - self.next_step, first)\n",
        "",
        "gate/test_engines.py::test_counts_of_steps_are_merged_at_any_seam",
    ),
)
