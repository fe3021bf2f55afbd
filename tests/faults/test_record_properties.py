"""Properties of the record and of the tree digest; those of the judge stand in `tests/gate`."""

import dataclasses
import shutil
import time

import hypothesis
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gradgate.contracts import TreeError, bind_tree
from gradgate.gate import Evidence, judge
from gradgate.gate.globs import matches
from gradgate.telemetry.reader import open_record
from gradgate.telemetry.writer import RecordWriter

STEPS = 8


@settings(max_examples=12)
@given(
    kills=st.lists(st.integers(1, STEPS), max_size=2),
    every=st.integers(1, 4),
    bad=st.sampled_from([None, 0, 3, STEPS - 1]),
)
def test_a_resumed_record_is_judged_as_an_uninterrupted_one(
    tmp_path_factory, make_steps, make_card, small_policy, kills, every, bad
):
    """P11: killed anywhere, any number of times, and resumed from the last checkpoint."""
    steps = make_steps(STEPS)
    if bad is not None:
        steps.norms[bad, 0] = np.nan

    def part(first, last):
        rows = (steps.step >= first) & (steps.step < last)
        of = (steps.statistics.step >= first) & (steps.statistics.step < last)
        statistics = {k: v if v is None else v[of] for k, v in vars(steps.statistics).items()}
        others = {k: v[rows] for k, v in vars(steps).items() if isinstance(v, np.ndarray)}
        return dataclasses.replace(
            steps, **others, statistics=dataclasses.replace(steps.statistics, **statistics)
        )

    def train(folder, *, until=None):
        """Goes on from the last checkpoint, of which there is one every so many steps."""
        writer = RecordWriter.resume(folder)
        at = 0
        if writer.is_resumed:
            kept = range(writer.next_step, 0, -1)
            at = next((step for step in kept if writer.find_checkpoint(step)), 0)
            writer.rewind(at, "restart")
        else:
            writer.begin_training("small")
        writer.begin(make_card())
        for step in range(at, until or STEPS):  # rows after the last checkpoint are lost in a kill
            writer.append(part(step, step + 1))
            if (step + 1) % every == 0:
                writer.save_checkpoint(step + 1, step + 1, {})
        if until is None:
            writer.finalize(
                training_uid="small",
                status="completed",
                instrumented=True,
                planned_steps=STEPS,
                final_weight_nonfinite={"net/dense/kernel": 0},
            )

    base = tmp_path_factory.mktemp("resumed")
    train(base / "whole")
    for until in kills:
        train(base / "killed", until=until)
    train(base / "killed")
    one, other = (
        judge(
            small_policy,
            Evidence.of(open_record(base / name)),
            model=None,
            as_of="2026-11-23T05:40:00Z",
            training_only=True,
        )
        for name in ("whole", "killed")
    )
    same = {
        name: [verdict.document()[name] for verdict in (one, other)]
        for name in ("decision", "headline", "findings", "integrity")
    }
    assert all(whole == resumed for whole, resumed in same.values()), same
    assert other.coverage.model_copy(update={"resumes": ()}) == one.coverage
    assert len(other.coverage.resumes) <= len(kills)
    shutil.rmtree(base)


@pytest.mark.parametrize("piece", ["*a", "**", "**/", "?*", "a**/", "*/"])
def test_the_time_of_a_glob_is_that_of_its_length_times_the_paths(piece):
    """P13: four times as long a path takes no more than about four times as long."""
    pattern = piece * 40 + "b"

    def seconds(length):
        path = "a" * length
        begin = time.process_time()
        assert not matches(pattern, path + "/c")
        return time.process_time() - begin

    seconds(10)
    short, long = (min(seconds(length) for _ in range(3)) for length in (200, 800))
    assert long < 12 * short + 0.02


names = st.text("ab", min_size=1, max_size=2)


class Tree(RuleBasedStateMachine):
    """P15: the digest of a directory changes if and only if a file's path or content does.

    The model is a dict from path to content; every digest that was seen belongs to one of them.
    """

    def __init__(self):
        super().__init__()
        self.files, self.seen = {}, {}

    @initialize()
    def begin(self):
        import tempfile
        from pathlib import Path

        self.root = Path(tempfile.mkdtemp())

    def teardown(self):
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    def place(self, folder, name):
        return f"{folder}/{name}" if folder else name

    def has_room(self, path):
        """Whether a file can be there: no folder is at it, and no file is on the way."""
        on_the_way = {path.rsplit("/", n)[0] for n in range(1, path.count("/") + 1)}
        return not (self.root / path).is_dir() and not on_the_way & set(self.files)

    @rule(folder=st.sampled_from(["", "d", "d/e"]), name=names, content=st.binary(max_size=3))
    def write(self, folder, name, content):
        path = self.place(folder, name)
        if self.has_room(path):
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(content)
            self.files[path] = content

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def remove(self, data):
        path = data.draw(st.sampled_from(sorted(self.files)))
        (self.root / path).unlink()
        del self.files[path]

    @precondition(lambda self: self.files)
    @rule(data=st.data(), folder=st.sampled_from(["", "d", "d/e"]), name=names)
    def rename(self, data, folder, name):
        path, new = data.draw(st.sampled_from(sorted(self.files))), self.place(folder, name)
        if new not in self.files and self.has_room(new):
            (self.root / new).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).rename(self.root / new)
            self.files[new] = self.files.pop(path)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), content=st.binary(max_size=3))
    def edit(self, data, content):
        path = data.draw(st.sampled_from(sorted(self.files)))
        with (self.root / path).open("r+b") as file:
            file.write(content)
            file.truncate(len(content))
        self.files[path] = content

    @rule(mode=st.sampled_from([0o600, 0o755]), name=names)
    def what_it_does_not_cover(self, mode, name):
        (self.root / f"empty-{name}").mkdir(exist_ok=True)
        for path in self.files:
            (self.root / path).chmod(mode)

    @invariant()
    def the_digest_is_that_of_the_files(self):
        if not hasattr(self, "root"):
            return
        if not self.files:
            with pytest.raises(TreeError):
                bind_tree(self.root)
            return
        digest, content = bind_tree(self.root).digest, tuple(sorted(self.files.items()))
        assert self.seen.setdefault(digest, content) == content
        assert self.seen.setdefault(content, digest) == digest


TestTree = Tree.TestCase
TestTree.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    deadline=None,
)
