"""Inputs as TFX's statistics tell them, and what lies beside a Transform graph."""

import pytest

from gradgate.contracts import LayerCard
from gradgate.training.read_examples import ExamplesError, read_examples

statistics_pb2 = pytest.importorskip("tensorflow_metadata.proto.v0.statistics_pb2")
LAYERS = tuple(
    LayerCard(name=name, path=name, kind="InputLayer", class_name="InputLayer")
    for name in ("fare", "miles")
)


@pytest.fixture
def write():
    def write(folder, **features):
        told = statistics_pb2.DatasetFeatureStatisticsList()
        dataset = told.datasets.add(num_examples=500)
        for name, (mean, deviation, nan) in features.items():
            feature = dataset.features.add()
            feature.path.step.append(name)
            numbers = feature.num_stats
            numbers.mean, numbers.std_dev = mean, deviation
            numbers.min, numbers.max = mean - 2 * deviation, mean + 2 * deviation
            numbers.histograms.add(num_nan=nan)
        folder.mkdir(parents=True)
        (folder / "FeatureStats.pb").write_bytes(told.SerializeToString())
        return folder

    return write


def test_statistics_tell_the_inputs_and_leave_out_what_is_none(write, tmp_path):
    folder = write(tmp_path / "stats", fare=(900.0, 300.0, 7), miles=(0.0, 1.0, 0), tips=(2, 1, 0))
    fare, miles = read_examples(folder, LAYERS, source="stats")
    assert (fare.name, fare.layer, fare.examples) == ("fare", 0, 500)
    assert (fare.mean, fare.std, fare.low, fare.high, fare.nonfinite) == (900, 300, 300, 1500, 7)
    assert (miles.name, miles.layer) == ("miles", 1)


def test_the_training_split_is_read_and_not_the_other(write, tmp_path):
    write(tmp_path / "stats" / "Split-eval", fare=(1.0, 1.0, 0))
    write(tmp_path / "stats" / "Split-train", fare=(900.0, 1.0, 0))
    assert read_examples(tmp_path / "stats", LAYERS, source="stats")[0].mean == 900


def test_a_transform_graph_is_told_by_what_its_run_left_beside_it(write, tmp_path):
    graph = tmp_path / "Transform" / "transform_graph" / "5"
    (graph / "transform_fn").mkdir(parents=True)
    with pytest.raises(ExamplesError, match=r"neither .*post_transform_stats/5 nor .*is there"):
        read_examples(graph, LAYERS, source="graph")
    write(tmp_path / "Transform" / "post_transform_stats" / "4", fare=(1.0, 1.0, 0))
    write(tmp_path / "Transform" / "post_transform_stats" / "5", fare=(900.0, 300.0, 0))
    assert read_examples(graph, LAYERS, source="graph")[0].mean == 900
