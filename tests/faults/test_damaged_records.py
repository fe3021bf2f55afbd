"""Rows 8, 9 and 10: a record that is cut off, has a flipped bit, or is another training's.

None of them ever passes, with altered numbers least of all, and none is a traceback.
"""

import random
import shutil
import subprocess

import numpy as np
import pytest

from gradgate.cli.exits import Exit
from gradgate.contracts import Manifest
from gradgate.gate import Evidence
from gradgate.telemetry.reader import RecordError, open_record

SEED = 20261123
FLIPS = 2000


def sick(steps):
    steps.loss[4] = np.nan
    return steps


def files_of(record):
    return sorted(path for path in record.rglob("*") if path.is_file())


def refused(record, opened=None):
    """The code by which a damaged record is refused; the numbers in it never come out.

    Args:
        record: Its folder.
        opened: The record, where only its parts were damaged since.
    """
    with pytest.raises(RecordError) as caught:
        for _ in (opened or open_record(record)).batches():
            pass
    return caught.value.code


@pytest.mark.parametrize(("spoil", "every"), [(lambda steps: steps, 1), (sick, 53)])
def test_cut_off_at_every_byte_of_every_file(
    make_record, make_steps, verdict_on, not_milder, call, spoil, every
):
    record = make_record(steps=spoil(make_steps()))
    clean, opened = verdict_on(record), open_record(record)
    seen = {}
    for path in files_of(record):
        whole, is_part = path.read_bytes(), path.suffix == ".parquet"
        for length in range(0, len(whole), every):
            with path.open("r+b") as file:
                file.truncate(length)
                code = refused(record, opened if is_part else None)
                if code not in seen:  # a verdict takes longer than a refusal, and says the same
                    faulted = verdict_on(record)
                    not_milder(clean, faulted)
                    assert faulted.decision == "block"
                    assert faulted.headline.startswith(f"BLOCK {code}: ")
                    assert call("check", record, "--training-only").returncode == Exit.CANNOT_JUDGE
                    seen[code] = path.name
                file.write(whole[file.seek(0) :])
                file.flush()
    assert set(seen) == {"T-CORRUPT", "T-TRUNCATED"}
    assert verdict_on(record).document() == clean.document()


@pytest.mark.parametrize("name", ["manifest.json", "model.json", "summary.json"])
def test_every_bit_of_every_document(make_record, name):
    path = make_record() / name
    whole = bytearray(path.read_bytes())
    # The digest is taken of all bytes of a document at once, so beyond the manifest, which holds
    # the digests, one bit of each byte shows what all eight would.
    draw = random.Random(SEED)
    with path.open("r+b", buffering=0) as file:
        for at, byte in enumerate(whole):
            bits = range(8) if name == "manifest.json" else [draw.randrange(8)]
            for bit in bits:
                file.seek(at)
                file.write(bytes([byte ^ 1 << bit]))
                assert refused(path.parent) in {"T-CORRUPT", "T-SCHEMA-NEW"}, (at, bit)
            file.seek(at)
            file.write(bytes([byte]))
    assert path.read_bytes() == whole
    list(open_record(path.parent).batches())


def test_random_bits_of_a_part(make_record):
    path = make_record() / "parts" / "00000.parquet"
    whole, opened = path.read_bytes(), open_record(path.parents[1])
    draw = random.Random(SEED)
    print(f"seed {SEED}")
    for _ in range(FLIPS):
        damaged = bytearray(whole)
        for _ in range(draw.choice([1, 1, 1, 2, 9])):
            damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        if damaged != whole:
            assert refused(path.parents[1], opened) == "T-CORRUPT"


def test_bytes_after_the_end_are_no_part_of_it(make_record):
    record = make_record()
    for path in files_of(record):
        whole = path.read_bytes()
        path.write_bytes(whole + b"\n")
        if path.name == "manifest.json":  # a line end after a document says nothing
            assert open_record(record).manifest == Manifest.model_validate_json(whole)
        else:
            assert refused(record) == "T-TRUNCATED"
        path.write_bytes(whole + b"}")
        assert refused(record) in {"T-CORRUPT", "T-TRUNCATED"}
        path.write_bytes(whole)


@pytest.mark.parametrize("name", ["model.json", "summary.json", "parts/00000.parquet"])
def test_a_file_of_another_training_is_not_taken(make_record, make_steps, name):
    good, other = make_record("good"), make_record("other", steps=sick(make_steps()))
    if (good / name).read_bytes() != (other / name).read_bytes():
        shutil.copyfile(good / name, other / name)
        assert refused(other) in {"T-CORRUPT", "T-TRUNCATED"}


def test_the_record_of_another_training_does_not_speak_for_this_model(released, make_record):
    """Swapped telemetry, and old telemetry with a new model."""
    from gradgate.gate import check_model, judge

    def codes(record, model):
        verdict = judge(
            released.policy,
            Evidence.of(open_record(record)),
            model=check_model(model),
            as_of="2026-11-23T05:40:00Z",
        )
        failed = {check.code for check in verdict.integrity if check.status == "fail"}
        assert (verdict.decision, verdict.blessed) == (("block", False) if failed else ("ok", True))
        return failed

    assert codes(released.record, released.model) == set()
    assert {"I-MODEL-UNBOUND"} <= codes(make_record("unbound"), released.model)
    newer = released.record.parent / "newer"
    shutil.copytree(released.model, newer)
    (newer / "assets.extra/gradgate.json").write_text('{"training_uid":"of-today"}')
    assert codes(released.record, newer) >= {"I-MODEL-DIGEST", "I-RUN-MISMATCH"}
    from gradgate.contracts import bind_tree

    swapped = make_record("swapped", model=bind_tree(released.model))
    assert "I-RUN-MISMATCH" in codes(swapped, released.model)
    assert "I-MODEL-DIGEST" not in codes(swapped, released.model)


def test_a_copy_is_the_same_record(released, verdict_on, tmp_path):
    subprocess.run(["cp", "-r", released.record, tmp_path / "copy"], check=True)
    one, other = (verdict_on(path, released.model) for path in (released.record, tmp_path / "copy"))
    assert one.document() == other.document()


@pytest.mark.parametrize("name", ["manifest.json", "model.json", "parts/00000.parquet"])
def test_a_pipe_in_a_record_is_not_waited_for(make_record, name):
    import os

    record = make_record()
    (record / name).unlink()
    os.mkfifo(record / name)
    assert refused(record) in {"T-CORRUPT", "T-UNFINALIZED"}
    if name.startswith("parts"):
        (record / "manifest.json").unlink()
        assert refused(record) == "T-UNFINALIZED"
