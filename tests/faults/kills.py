"""Kills what writes a record, a verdict or a push, at every one of its file operations.

Usage: kills.py FOLDER [SCENARIO...]. Each attempt is a fork of this process that is killed
(kill -9) when it begins an operation of a certain number, for every number there is, and then at
random moments. After each kill whoever comes next must find what is promised. Prints as JSON, for
each scenario, how often what was found, or the error. Run by test_kills.py.
"""

import collections
import gc
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import fuzz

from gradgate.cli import app
from gradgate.contracts import Verdict, bind_tree, mark_and_bind
from gradgate.gate import Evidence, RecordProblem, check_model, judge, load_policy
from gradgate.gate.read_verdict import VerdictError, read_verdict
from gradgate.gate.report_files import report_files
from gradgate.telemetry.durable import write_durably
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.writer import RecordWriter
from gradgate.tfx.pusher.checks import Blessing
from gradgate.tfx.pusher.verified_push import push

SEED = 7
RANDOM_KILLS = 40
_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.copyfile"}
_AS_OF = "2099-01-01T00:00:00Z"
_left: int | None = None  # operations until the kill; None for no kill
_number = signal.SIGKILL

Tally = collections.Counter


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    global _left
    if _left is None or event not in _EVENTS:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), _number)


sys.addaudithook(_hook)
os.fsync = lambda _: None  # a kill loses nothing that the kernel has, and a disk takes its time


def attempt(
    work: Callable[[], object], *, at: int | None = None, after: float | None = None
) -> bool:
    """Runs some work in a fork; returns whether it came to its end before it was killed.

    Args:
        work: What to do.
        at: Number of the operation at which the fork is killed.
        after: Seconds after which it is killed; None for never.
    """
    pid = os.fork()
    if not pid:
        global _left
        _left = at
        _be(work)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)  # it may be over, and waits to be asked
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, -signal.SIGKILL}:
        raise RuntimeError(f"the fork ended with {code}")
    return code == 0


def _be(work: Callable[[], object]) -> NoReturn:
    """Does the work, as the whole of this process."""
    code = 9
    try:
        work()
        code = 0
    except BaseException:  # the parent shows it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def each_kill(
    work: Callable[[Path], object], folder: Path, *, moments: int = RANDOM_KILLS
) -> Iterator[tuple[Path, bool]]:
    """Yields the folder of each attempt, and whether it came to its end."""
    number, is_over = 0, False
    begin = time.monotonic()
    while not is_over:
        number += 1
        place = folder / f"operation-{number}"
        is_over = attempt(lambda place=place: work(place), at=number)
        yield place, is_over
    took = (time.monotonic() - begin) / number
    draw = random.Random(SEED)
    for number in range(moments):
        place = folder / f"moment-{number}"
        yield place, attempt(lambda place=place: work(place), after=draw.uniform(0, 1.5 * took))


# --- A record -------------------------------------------------------------------------------------
def record(folder: Path, parts: "Parts") -> Tally:
    """Export, mark, manifest: killed anywhere, it is blocked; started again, it is as ever."""
    tally = Tally()

    def train(place: Path) -> None:
        model = place / "model"
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(parts.model, model)
        (model / "assets.extra" / "gradgate.json").unlink()
        writer = RecordWriter.resume(place / "record")
        writer.begin_training("small")
        writer.begin(parts.card)
        if writer.is_resumed:
            writer.rewind(0, "restart")
        writer.append(parts.steps)
        bound = mark_and_bind(model, "small")
        writer.finalize(
            training_uid="small",
            status="completed",
            instrumented=True,
            planned_steps=6,
            model=bound,
        )

    clean = None
    for place, is_over in each_kill(train, folder, moments=10):
        verdict = parts.judge(place / "record", place / "model")
        is_whole = verdict.decision == "ok"
        if is_over and not is_whole:
            raise AssertionError(verdict.headline)
        if is_whole:
            assert verdict.blessed
            clean = clean or verdict
            assert verdict.findings == clean.findings
        else:
            codes = [check.code for check in verdict.integrity if check.status == "fail"]
            assert not verdict.blessed
            assert set(codes) & {"T-MISSING", "T-UNFINALIZED"}, codes
            train(place)  # again, and it goes on with what there is
            again = parts.judge(place / "record", place / "model")
            assert again.blessed, again.headline
        tally["whole" if is_whole else "blocked"] += 1
        shutil.rmtree(place)
    return tally


# --- A verdict ------------------------------------------------------------------------------------
def verdict(folder: Path, parts: "Parts") -> Tally:
    """Verdict, reports, blessing: the verdict is absent, or complete and valid."""
    tally = Tally()
    written = parts.verdict

    def write(place: Path) -> None:
        place.mkdir()
        for name, data in report_files(written, policy="policy", waivers="waivers"):
            write_durably(place / name, data)
        write_durably(place / "BLESSED", b"")

    for place, is_over in each_kill(write, folder):
        is_there = _is_there(place, written)
        assert is_there or not (place / "BLESSED").exists()
        assert is_there or not is_over
        for path in place.glob("*") if place.exists() else ():
            assert path.stat().st_size or path.suffix == ".partial" or path.name == "BLESSED"
        tally["whole" if is_there else "absent"] += 1
    return tally


def _is_there(place: Path, wanted: Verdict) -> bool:
    try:
        found = read_verdict(place / "verdict.json")
    except VerdictError as error:
        assert error.kind == "missing", error
        return False
    assert found.document() == wanted.document()
    return True


def check(folder: Path, parts: "Parts") -> Tally:
    """`gradgate check --out`, killed: also a file that was there is whole, old or new."""
    tally = Tally()
    line = ["check", str(parts.record), "--model", str(parts.model), "--policy"]
    line += [str(parts.policy_file), "--format", "json", "--as-of", _AS_OF, "--out"]

    def judge_it(place: Path) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            app([*line, str(place / "verdict.json")])
        except SystemExit as done:
            if done.code != 0:
                raise RuntimeError(f"exit status {done.code}") from done

    def prepared(place: Path) -> None:
        place.mkdir()
        if int(place.name.split("-")[1]) % 2:
            (place / "verdict.json").write_bytes(parts.old)
        judge_it(place)

    for place, is_over in each_kill(prepared, folder):
        try:
            found = read_verdict(place / "verdict.json")
        except VerdictError as error:
            assert error.kind == "missing", error
            assert not is_over
            tally["absent"] += 1
        else:
            is_new = found.as_of == _AS_OF
            assert is_new or not is_over
            tally["new" if is_new else "old"] += 1
    return tally


# --- A push ---------------------------------------------------------------------------------------
def pushing(folder: Path, parts: "Parts") -> Tally:
    """A push: the serving folder holds only complete versions of what was judged."""
    tally = Tally()

    def push_it(place: Path) -> None:
        done = push(
            parts.model,
            blessings=[Blessing(blessed=1, verdict_id=parts.verdict.verdict_id)],
            verdict_dir=parts.verdict_dir,
            base_directory=place,
            now=1000.0,
        )
        assert done.pushed, done.reason

    for place, is_over in each_kill(push_it, folder, moments=10):
        names = [path.name for path in place.iterdir()] if place.exists() else []
        versions = [name for name in names if name.isdigit()]
        for name in versions:
            assert bind_tree(place / name).digest == parts.verdict.subject.model_digest
        assert versions or not is_over
        tally["served" if versions else "nothing"] += 1
        push_it(place)  # the next one is not hindered
        assert len([path for path in place.iterdir() if path.name.isdigit()]) == len(versions) + 1
    return tally


# --- Together -------------------------------------------------------------------------------------
def together(folder: Path, parts: "Parts") -> Tally:
    """Two gates at once on the same inputs and the same output, and a pusher that reads it."""
    tally = Tally()
    for number in range(50):
        place = folder / f"gates-{number}"
        place.mkdir()
        barrier_read, barrier_write = os.pipe()
        told_read, told_write = os.pipe()

        def gate(place: Path = place, told_write: int = told_write) -> None:
            found = parts.judge(parts.record, parts.model)
            for name, data in report_files(found, policy="policy"):
                write_durably(place / name, data)
            os.write(told_write, f"{found.verdict_id}\n".encode())

        def pusher(place: Path = place, told_write: int = told_write) -> None:
            tries = 0
            while True:
                tries += 1
                done = push(
                    parts.model,
                    blessings=[Blessing(blessed=1, verdict_id=parts.verdict.verdict_id)],
                    verdict_dir=place,
                    base_directory=place / "serving",
                    now=1000.0,
                )
                if done.pushed:
                    break
                assert "there is no verdict to go by" in done.reason, done.reason
            os.write(told_write, b"pushed\n" if tries == 1 else b"pushed later\n")

        pids = []
        for work in (gate, gate, pusher):
            pid = os.fork()
            if not pid:
                os.close(barrier_write)
                os.read(barrier_read, 1)  # until the parent lets all go at once
                _be(work)
            pids.append(pid)
        os.close(barrier_write)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        assert codes == [0, 0, 0], codes
        told = os.read(told_read, 4096).decode().split("\n")[:-1]
        for end in (barrier_read, told_read, told_write):
            os.close(end)
        assert len(told) == 3, told
        assert set(told) <= {parts.verdict.verdict_id, "pushed", "pushed later"}, told
        for name, data in report_files(parts.verdict, policy="policy"):
            assert (place / name).read_bytes() == data, name
        assert not list(place.glob("*.partial"))
        tally["at once" if "pushed" in told else "later"] += 1
    return tally


# --- Limits ---------------------------------------------------------------------------------------
def memory(folder: Path, parts: "Parts") -> Tally:
    """A gate with too little memory, or too little time, blesses nothing and is not 0."""
    tally = Tally()
    page = resource.getpagesize()
    for number, megabytes in enumerate([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256]):
        out = folder / f"verdict-{number}.json"
        line = ["check", str(parts.record), "--model", str(parts.model), "--policy"]
        line += [str(parts.policy_file), "--format", "json", "--as-of", _AS_OF, "--out", str(out)]
        pid = os.fork()
        if not pid:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            used = int(Path("/proc/self/statm").read_text().split()[0]) * page
            resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20),) * 2)
            try:
                app(line)
            except SystemExit as done:
                os._exit(int(done.code or 0))
            except BaseException:  # as Python itself would
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if out.exists():
            found = read_verdict(out)
            is_clean = found.document() == {**parts.verdict.document(), "as_of": _AS_OF}
            assert is_clean == (code == 0), (megabytes, code, found.headline)
            assert is_clean or (found.decision, found.blessed) == ("block", False)
        else:
            assert code != 0
        tally["clean" if code == 0 else "blocked" if out.exists() else "nothing"] += 1
    return tally


def stalled(folder: Path, parts: "Parts") -> Tally:
    """SIGSTOP at any operation of the writer, and SIGCONT later: a stall corrupts nothing."""
    global _number
    _number = signal.SIGSTOP
    tally = Tally()

    def train(place: Path) -> None:
        writer = RecordWriter(place)
        writer.begin(parts.card)
        writer.append(parts.steps)
        writer.finalize(
            training_uid="small", status="completed", instrumented=True, planned_steps=6
        )

    for number in range(1, 100, 2):
        place = folder / f"stall-{number}"
        pid = os.fork()
        if not pid:
            global _left
            _left = number
            _be(lambda place=place: train(place))
        _, status = os.waitpid(pid, os.WUNTRACED)
        is_stopped = os.WIFSTOPPED(status)
        if is_stopped:
            evidence = parts.evidence(place)
            assert isinstance(evidence, RecordProblem) or evidence.manifest.observed_steps == 6
            time.sleep(0.01)
            os.kill(pid, signal.SIGCONT)
            _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert len(list(open_record(place).batches())) == 1
        tally["stopped" if is_stopped else "undisturbed"] += 1
        if not is_stopped:
            return tally
    return tally


def arrow(folder: Path, parts: "Parts") -> Tally:
    """Bytes that are no Parquet, with the digest of their own: Arrow itself may die of them.

    Who writes a record can write such a part. Then the process dies, and there is no verdict.
    """
    tally = Tally()
    name = "parts/00000.parquet"
    whole = {
        str(path.relative_to(parts.record)): path.read_bytes()
        for path in sorted(parts.record.rglob("*.*"))
    }
    for number in range(50):
        draw = random.Random(f"{SEED} {number}")
        changed = fuzz.mutate_bytes(whole[name], draw, [whole[name]])
        place, out = folder / f"record-{number}", folder / f"verdict-{number}.json"
        for file, data in fuzz.sealed({**whole, name: changed}).items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_bytes(data)

        def judge_it(place: Path = place, out: Path = out) -> None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            found = parts.judge(place, parts.model)
            write_durably(out, dict(report_files(found, policy=""))["verdict.json"])

        pid = os.fork()
        if not pid:
            _be(judge_it)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code <= 0, code
        assert out.exists() == (code == 0)
        tally["died" if code else read_verdict(out).decision] += 1
        shutil.rmtree(place)
    return tally


class Parts:
    """What the scenarios need, made by the test: a model, a record, a policy, a verdict."""

    def __init__(self, folder: Path) -> None:
        self.model, self.record = folder / "model", folder / "record"
        self.policy_file, self.verdict_dir = folder / "policy.yaml", folder / "verdict"
        self.policy = load_policy(self.policy_file.read_bytes())
        self.verdict = self.judge(self.record, self.model)
        assert self.verdict.blessed, self.verdict.headline
        self.verdict_dir.mkdir()
        for name, data in report_files(self.verdict, policy="policy"):
            (self.verdict_dir / name).write_bytes(data)
        earlier = self.verdict.model_copy(update={"as_of": "2026-11-23T05:35:00Z"})
        self.old = dict(report_files(earlier, policy=""))["verdict.json"]
        small = open_record(folder / "small")
        self.card = small.card
        (self.steps,) = small.batches()

    def evidence(self, record: Path) -> Evidence | RecordProblem:
        try:
            return Evidence.of(open_record(record))
        except RecordError as error:
            return RecordProblem(code=error.code, message=error.message)

    def judge(self, record: Path, model: Path) -> Verdict:
        found = check_model(model)
        return judge(self.policy, self.evidence(record), model=found, as_of=_AS_OF)


SCENARIOS = {
    "record": record,
    "verdict": verdict,
    "check": check,
    "push": pushing,
    "together": together,
    "memory": memory,
    "stalled": stalled,
    "arrow": arrow,
}


def main() -> None:
    base = Path(sys.argv[1])
    parts, found = Parts(base), {}
    gc.freeze()  # a fork that collects garbage copies every page it looks at
    gc.disable()
    for name in sys.argv[2:] or SCENARIOS:
        scene, begin = base / f"of-{name}", time.process_time()
        scene.mkdir()
        try:
            found[name] = SCENARIOS[name](scene, parts)
        except Exception:
            found[name] = {"error": traceback.format_exc()}
        shutil.rmtree(scene)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = time.process_time() - begin
        print(f"{name}: {took:.1f} s, children so far {children.ru_utime:.1f} s", file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
