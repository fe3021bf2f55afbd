"""The table is the one that was reviewed, or there is none."""

import csv
import hashlib
import os
import subprocess
import sys

import pytest

from pipeline.data import ROWS, SHA256, DataError, find_table, stage_table

pytest.importorskip("tfx.version", reason="the table ships in the tfx wheel")


def test_the_table_is_found_without_importing_tfx():
    code = "import sys, pipeline.data as d; d.find_table(); print('tfx' in sys.modules)"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_the_table_is_the_reviewed_one_and_almost_every_pickup_tract_is_missing():
    data = find_table().read_bytes()
    assert hashlib.sha256(data).hexdigest() == SHA256
    rows = list(csv.DictReader(data.decode().splitlines()))
    assert len(rows) == ROWS
    assert sum(row["pickup_census_tract"] == "" for row in rows) == ROWS - 1
    assert sum(row["big_tipper"] == "1" for row in rows) == 3374  # 22.5 %


def test_a_staged_table_is_left_alone_since_the_cache_looks_at_its_time(tmp_path):
    folder = stage_table(tmp_path)
    before = (folder / "data.csv").stat().st_mtime_ns
    assert stage_table(tmp_path) == folder
    assert (folder / "data.csv").stat().st_mtime_ns == before


def test_a_damaged_copy_is_made_anew(tmp_path):
    copy = stage_table(tmp_path) / "data.csv"
    copy.write_text("damaged")
    stage_table(tmp_path)
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == SHA256


def test_another_table_is_refused_with_both_digests(tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(DataError) as caught:
        stage_table(tmp_path / "workspace", source=other)
    assert SHA256 in str(caught.value)
    assert "is not the table that was reviewed" in str(caught.value)
    assert not (tmp_path / "workspace").exists()
