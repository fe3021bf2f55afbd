"""What Beam's workers saw comes together as if one had seen it all, whatever a runner does."""

import itertools
import pickle
import warnings

import pytest

from gradgate.gate import Evidence, judge
from gradgate.telemetry.reader import open_record
from gradgate.telemetry.writer import RecordWriter


@pytest.fixture(scope="module")
def engine():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Beam brings along has a lot to say
        from gradgate.gate.engines import beam

    return beam


class Order:
    """Remembers the order in which stretches were merged."""

    def __init__(self, *seen):
        self.seen = list(seen)

    def merge(self, later):
        self.seen += later.seen


def run_of(engine, number, group=0, problem=None):
    """What one worker saw: one stretch."""
    tallies = [Order((group, number))]
    return engine._Run(group=group, first=number, stop=number + 1, tallies=tallies, problem=problem)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_in_whichever_order_and_portions_stretches_arrive(engine, order, cut):
    merge = engine.MergeInOrder()
    portions = []
    for numbers in (order[:cut], order[cut:]):
        portion = merge.create_accumulator()
        for number in numbers:
            portion = merge.add_input(portion, run_of(engine, number))
            portion = merge.add_input(portion, run_of(engine, number, group=1))
        portions.append(portion)
    runs = merge.extract_output(merge.merge_accumulators(portions))
    assert [(run.group, run.first, run.stop) for run in runs] == [(0, 0, 4), (1, 0, 4)]
    for group, run in enumerate(runs):
        assert run.tallies[0].seen == [(group, number) for number in range(4)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_nothing_counts_after_a_stretch_that_could_not_be_read(engine, order):
    merge = engine.MergeInOrder()
    portion = merge.create_accumulator()
    for number in order:
        problem = engine.UnreadableError("T-CORRUPT", f"{number}") if number in {1, 2} else None
        portion = merge.add_input(portion, run_of(engine, number, problem=problem))
    (run,) = merge.extract_output(portion)
    assert run.problem.message == "1"
    assert run.tallies[0].seen == [(0, 0), (0, 1)]


@pytest.mark.parametrize("keep", [slice(0, 0), slice(0, 1), slice(1, None)])
def test_a_pipeline_that_lost_a_stretch_blocks(engine, make, training, tmp_path, monkeypatch, keep):
    writer = RecordWriter(tmp_path / "record")
    writer.begin(training.card)
    for batch in training.batches(-(-len(training.step) // 3)):
        writer.append(batch)
        writer.flush()
    writer.finalize(training_uid="run-1", status="completed", instrumented=True, planned_steps=None)

    def losing(_, tasks, groups):
        show = engine._Show(pickle.dumps(groups))
        seen = [run for task in tasks[keep] for run in show.process(pickle.dumps(task))]
        return engine.MergeInOrder().merge_accumulators([seen])

    monkeypatch.setattr(engine, "_results", losing)
    runner = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"
    verdict = judge(
        make.policy(make.rule("loss", "max", "<", 9)),
        Evidence.of(open_record(tmp_path / "record")),
        model=None,
        training_only=True,
        as_of="2099-01-01T00:00:00Z",
        engine=engine.BeamEngine.of([f"--runner={runner}"], rows=1),
    )
    assert verdict.headline.startswith("BLOCK R-ENGINE: the Beam pipeline lost some of the steps")
