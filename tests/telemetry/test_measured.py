"""What not every training measures: it comes back, and nobody takes its absence for a number."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gradgate.telemetry.batch import ActivationBatch
from gradgate.telemetry.columns import SCHEMA, from_table, to_table
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.series import quantile
from gradgate.telemetry.writer import RecordWriter

FROZEN = Path(__file__).parent / "record_1_0"  # written by the version before


def write(folder, card, *batches, **how):
    writer = RecordWriter(folder)
    writer.begin(card)
    for batch in batches:
        writer.append(batch)
    writer.finalize(training_uid="t", status="completed", instrumented=True, **how)
    return open_record(folder)


def test_everything_that_was_measured_comes_back(tmp_path, full_card, full_batch, assert_same):
    steps = full_batch(0, 30)
    steps.loss_scale[3] = np.inf
    steps.replica_loss[4, 1] = np.nan
    steps.statistics.data_norm[1, 1] = np.inf
    record = write(tmp_path, full_card, full_batch(0, 0), steps, full_batch(30, 11))
    assert_same(record.batches(), [steps, full_batch(30, 11)])


def test_what_was_not_measured_is_none(tmp_path, card, batch):
    record = write(tmp_path, card, batch(0, 9))
    (steps,) = record.batches()
    for name in ("stage_norms", "stage_fired", "replica_loss", "loss_scale", "loss_scale_skips"):
        assert getattr(steps, name) is None
    assert steps.activations is None
    assert steps.statistics.cosine is steps.statistics.global_cosine is None
    assert record.summary.loss_scale is record.summary.global_cosine is None
    assert record.summary.variables[0].update_ratio is record.summary.variables[0].data_norm is None


def test_a_record_of_the_version_before_still_reads(batch, assert_same):
    record = open_record(FROZEN)
    assert record.manifest.schema_version == "1.0"
    (steps,) = record.batches()
    assert steps.loss_scale is steps.activations is steps.statistics.weight_norm is None
    assert_same([steps], [batch(0, 6)])
    assert "loss_scale" not in pq.read_schema(FROZEN / "parts/00000.parquet").names
    assert record.optimizers == {}


def test_measurements_that_begin_midway_are_kept(tmp_path, full_card, batch, full_batch):
    full = full_batch(12, 12)
    record = write(tmp_path, full_card, batch(0, 12), full)
    found = list(record.batches())
    assert [len(part) for part in found] == [12, 12]  # a part holds one layout
    assert found[0].loss_scale is None
    assert record.summary.loss_scale.count == 12
    assert record.summary.variables[0].weight_norm.count == len(full.statistics.step)


def test_lost_steps_leave_a_gap_and_a_readable_record(tmp_path, card, batch):
    record = write(tmp_path, card, batch(0, 5), batch(9, 5), lost_steps=4)
    assert [step for part in record.batches() for step in part.step] == [
        0,
        1,
        2,
        3,
        4,
        *range(9, 14),
    ]
    assert record.manifest.observed_steps == 10


def test_steps_cannot_be_appended_twice(tmp_path, card, batch):
    writer = RecordWriter(tmp_path)
    writer.begin(card)
    writer.append(batch(0, 5))
    with pytest.raises(ValueError, match=r"step 4 was appended after step 4\. Call rewind first"):
        writer.append(batch(4, 2))


def test_arrays_may_be_used_again_after_append(tmp_path, card, batch):
    writer = RecordWriter(tmp_path)
    writer.begin(card)
    steps = batch(0, 5)
    writer.append(steps)
    steps.norms[:] = -1
    writer.finalize(training_uid="t", status="completed", instrumented=True)
    assert open_record(tmp_path).summary.variables[0].norm.least > 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sampled_cosine", "column sampled_cosine has rows of other than 3 values"),
        ("activation_dead_fraction", "column activation_dead_fraction has rows of other than 2"),
        ("stage_norms", "column stage_norms has rows of other than 2 values"),
    ],
)
def test_lists_of_the_wrong_width_are_refused(full_batch, name, message):
    table = to_table(full_batch(0, 13))
    values = [None if row is None else row[1:] for row in table.column(name).to_pylist()]
    if name == "stage_norms":
        values[0] = [1.0, 2.0]
    index = table.schema.get_field_index(name)
    damaged = table.set_column(index, SCHEMA.field(name), pa.array(values, SCHEMA.field(name).type))
    with pytest.raises(ValueError, match=message):
        from_table(damaged, 3, 2)


def test_a_scalar_that_is_there_for_some_steps_only_is_refused(full_batch):
    table = to_table(full_batch(0, 3))
    index = table.schema.get_field_index("loss_scale")
    values = pa.array([1.0, None, 1.0], pa.float32())
    damaged = table.set_column(index, SCHEMA.field("loss_scale"), values)
    with pytest.raises(ValueError, match="column loss_scale has 1 empty values"):
        from_table(damaged, 3, 2)


def test_activations_of_a_step_that_is_not_there_are_refused(full_batch):
    steps = full_batch(0, 5)
    one = np.zeros((1, 2), np.float32)
    elsewhere = ActivationBatch(
        step=np.array([5]), zero_fraction=one, dead_fraction=one, saturated_fraction=one
    )
    with pytest.raises(ValueError, match="of a step that is not in the batch"):
        to_table(dataclasses.replace(steps, activations=elsewhere))


def test_not_measured_is_no_value_and_not_finite_is_counted(tmp_path, full_card, full_batch):
    steps = full_batch(0, 12)  # sampled at 0, 4, 8; activations at 0, 6
    steps.statistics.update_ratio[:] = [
        [0.5, np.nan, 1],
        [np.nan, np.nan, np.inf],
        [0.25, np.nan, 2],
    ]
    steps.statistics.data_max_abs[1, 0] = np.nan
    steps.statistics.cosine[:] = [[np.nan] * 3, [-0.5, 0, 0.5], [-0.25, 0, np.nan]]
    summary = write(tmp_path, full_card, steps).summary
    first, second, third = (variable.update_ratio for variable in summary.variables)
    assert (first.count, first.nonfinite, first.total, first.last) == (2, 0, 0.75, 0.25)
    assert second is None
    assert (third.count, third.nonfinite, third.greatest) == (2, 1, 2.0)
    assert summary.variables[0].data_max_abs.nonfinite == 1  # there a NaN is a NaN
    cosine = summary.variables[0].cosine
    assert (cosine.count, cosine.total, cosine.least, cosine.least_step) == (2, -0.75, -0.5, 4)
    assert quantile(cosine, 0) == pytest.approx(-0.5, rel=0.01)
    assert quantile(cosine, 1) == pytest.approx(-0.25, rel=0.01)
    assert (summary.variables[2].cosine.count, summary.variables[2].cosine.last) == (1, 0.5)
    relu, tanh = summary.activations
    assert (relu.layer, relu.zero_fraction.count, relu.dead_fraction.count) == ("m/dense", 2, 2)
    assert relu.saturated_fraction is tanh.dead_fraction is None
    assert summary.loss_scale.greatest == 2.0**15
    assert summary.loss_scale_skips == steps.loss_scale_skips.sum()


def test_skips_after_the_last_step_are_counted_when_they_are_told(tmp_path, full_card, full_batch):
    record = write(tmp_path, full_card, full_batch(0, 12), loss_scale_skips=40)
    assert record.manifest.loss_scale_skips == record.summary.loss_scale_skips == 40


def test_a_summary_does_not_depend_on_how_many_steps_came_at_a_time(
    tmp_path, full_card, full_batch, take
):
    steps = full_batch(0, 300)
    whole = write(tmp_path / "whole", full_card, steps).summary
    writer = RecordWriter(tmp_path / "bits")
    writer.begin(full_card)
    for first in range(0, 300, 7):
        writer.append(take(steps, first, first + 7))
        if first % 3 == 0:
            writer.flush()
    writer.finalize(training_uid="t", status="completed", instrumented=True)
    assert open_record(tmp_path / "bits").summary == whole  # sums included, to the bit


def test_activations_of_other_layers_cannot_go_on_a_record(tmp_path, full_card, full_batch):
    writer = RecordWriter(tmp_path)
    writer.begin(full_card)
    writer.append(full_batch(0, 3))
    writer.flush()
    with pytest.raises(ValueError, match="activations of 2 layers and cannot go on with 1 others"):
        writer.begin(full_card.model_copy(update={"activations": full_card.activations[:1]}))


def test_a_record_with_activations_of_no_layer_is_corrupt(tmp_path, card, full_batch):
    record = write(tmp_path, card, full_batch(0, 3))
    with pytest.raises(RecordError, match="activation_zero_fraction has rows of other than 0"):
        list(record.batches())
