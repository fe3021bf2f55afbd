"""Fuzzes the four readers: policy, waivers, record, verdict.

A seeded corpus (`corpus/READER`: small, real and poisoned ones) is mutated, by bytes and by
structure, and sealed anew where a digest would otherwise end the matter. Whatever comes out, a
reader raises nothing but its documented error, within a second; and what it takes can be judged,
shown and verified like any other.

`python tests/faults/fuzz.py --seconds 600` runs for long, with a seed that it prints;
`python tests/faults/fuzz.py --reader record --seed 7 --only 123` runs one case again.
"""

import argparse
import collections
import contextlib
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mutations import mutate_bytes, mutate_value

from gradgate.contracts import Policy, Verdict, canonical_json, parse_json, sha256
from gradgate.contracts.health import manifest_digest
from gradgate.gate import (
    Evidence,
    PolicyError,
    RecordProblem,
    judge,
    load_policy,
    load_waivers,
)
from gradgate.gate.read_verdict import VerdictError, read_verdict
from gradgate.gate.render import FORMATS, explain
from gradgate.gate.verify import RefusedError, require_blessed, require_grounds
from gradgate.signing.statement import statement_of
from gradgate.telemetry.reader import RecordError, open_record

HERE = Path(__file__).parent
TESTS = HERE.parent
GOLDEN_RUNS = TESTS.parent / "components" / "gradgate" / "gate" / "golden_runs"
AS_OF = "2026-11-23T05:40:00Z"
MOST_SECONDS = 1.0
RECORD_CODES = {
    "T-MISSING", "T-UNFINALIZED", "T-TRUNCATED", "T-CORRUPT", "T-OVERLAP", "T-SCHEMA-NEW",
}  # fmt: skip


# --- Readers --------------------------------------------------------------------------------------
class PolicyReader:
    """`load_policy`: a policy or a PolicyError; a policy can judge."""

    def __init__(self, folder: Path) -> None:
        self.corpus = _files(HERE / "corpus" / "policy")
        for real in (TESTS.parent / "pipeline/policies/default.yaml", TESTS / "tfx/policy.yaml"):
            self.corpus.append(real.read_bytes())
        self.documents = [load_policy(data).document() for data in self.corpus if _is_policy(data)]
        self.trainings = [Evidence.of(open_record(GOLDEN_RUNS / "nan-mid-run" / "record"))]

    def case(self, draw: random.Random) -> bytes:
        if draw.random() < 0.4:
            small = [d for d in self.documents if len(d["rules"]) < 5] or self.documents
            return _json(mutate_value(draw.choice(small), draw))
        return mutate_bytes(draw.choice(self.corpus), draw, self.corpus)

    def read(self, data: bytes) -> str:
        try:
            policy = load_policy(data)
        except PolicyError as error:
            assert error.code == "P-INVALID", error.code
            assert all(line.isprintable() for line in str(error).splitlines()), str(error)
            return "refused"
        verdict = _judged(policy, self.trainings[0])
        assert verdict.inputs.policy is not None
        assert len(verdict.findings) + len(verdict.shadow_findings) == len(policy.rules)
        return f"taken, {verdict.decision}"


class WaiverReader:
    """`load_waivers`: waivers or a PolicyError; they make a block a warning at most."""

    def __init__(self, folder: Path) -> None:
        self.policy = load_policy((HERE / "corpus/policy/small.yaml").read_bytes())
        self.corpus = _files(HERE / "corpus" / "waivers")
        self.documents = []
        for data in self.corpus:
            with contextlib.suppress(PolicyError):
                self.documents.append(load_waivers(data, self.policy).document())
        self.evidence = Evidence.of(open_record(GOLDEN_RUNS / "nan-mid-run" / "record"))
        self.plain = _judged(self.policy, self.evidence)
        assert self.plain.decision == "block", self.plain.headline

    def case(self, draw: random.Random) -> bytes:
        if draw.random() < 0.5:
            return _json(mutate_value(draw.choice(self.documents), draw))
        return mutate_bytes(draw.choice(self.corpus), draw, self.corpus)

    def read(self, data: bytes) -> str:
        try:
            waivers = load_waivers(data, self.policy)
        except PolicyError as error:
            assert error.code == "P-WAIVER", error.code
            assert all(line.isprintable() for line in str(error).splitlines()), str(error)
            return "refused"
        verdict = _judged(self.policy, self.evidence, waivers=waivers)
        assert verdict.decision in {"warn", "block"}, "a waiver lets nothing by without a word"
        return f"taken, {verdict.decision}"


class RecordReader:
    """`open_record` and its batches: a record or a RecordError; a record can be judged."""

    def __init__(self, folder: Path) -> None:
        self.policy = load_policy((HERE / "corpus/policy/small.yaml").read_bytes())
        self.folder = folder / "record"
        found = [*sorted(GOLDEN_RUNS.iterdir()), *sorted((TESTS / "golden/released").iterdir())]
        bases = [path / "record" for path in found] + [TESTS / "telemetry/record_1_0"]
        self.bases = [
            {str(file.relative_to(base)): file.read_bytes() for file in sorted(base.rglob("*.*"))}
            for base in bases
        ]
        self.corpus = _files(HERE / "corpus" / "record")
        self.corpus += [base["manifest.json"] for base in self.bases]

    def case(self, draw: random.Random) -> dict[str, bytes]:
        files = dict(draw.choice(self.bases))
        name = draw.choice(sorted(files))
        is_document = name.endswith(".json")
        if draw.random() < 0.1:
            files["manifest.json"] = draw.choice(self.corpus)
        elif is_document and draw.random() < 0.6:
            files[name] = _json(mutate_value(json.loads(files[name]), draw))
        elif is_document:
            files[name] = mutate_bytes(files[name], draw, self.corpus)
        else:
            # Never sealed: bytes that are no Parquet can kill Arrow, and the process that it is in;
            # `kills.py` does that to a fork. Parquet that lies is in `test_bombs.py`.
            files[name] = mutate_bytes(files[name], draw, list(files.values()))
            return files
        return sealed(files) if draw.random() < 0.8 else files

    def read(self, files: dict[str, bytes]) -> str:
        for path in self.folder.rglob("*.*"):
            path.unlink()
        for name, data in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        evidence: Evidence | RecordProblem
        try:
            record = open_record(self.folder)
            evidence = Evidence.of(record)
            for _ in record.batches():
                pass
        except RecordError as error:
            assert error.code in RECORD_CODES, error.code
            evidence = RecordProblem(code=error.code, message=error.message)
        verdict = _judged(self.policy, evidence)
        if isinstance(evidence, RecordProblem):
            assert verdict.decision == "block", verdict.headline
            return f"refused, {evidence.code}"
        _shown(verdict)
        return f"taken, {verdict.decision}"


class VerdictReader:
    """`read_verdict`: a verdict or a VerdictError; a verdict can be shown and verified."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "verdict.json"
        golden = sorted((TESTS / "golden/gate").glob("*.json"))
        self.corpus = _files(HERE / "corpus" / "verdict") + [path.read_bytes() for path in golden]
        self.documents = []
        for data in self.corpus:
            with contextlib.suppress(ValueError):
                self.documents.append(Verdict.model_validate_json(data).document())

    def case(self, draw: random.Random) -> bytes:
        if draw.random() < 0.3:
            return mutate_bytes(draw.choice(self.corpus), draw, self.corpus)
        data = _json(mutate_value(draw.choice(self.documents), draw))
        with contextlib.suppress(ValueError, OverflowError):
            sealed = Verdict.model_validate_json(data).sealed()
            data = _json({**json.loads(data), "verdict_id": sealed.verdict_id})
        return data

    def read(self, data: bytes) -> str:
        self.file.write_bytes(data)
        try:
            verdict = read_verdict(self.file)
        except VerdictError as error:
            assert error.kind in {"invalid", "schema", "changed"}, error.kind
            return f"refused, {error.kind}"
        _shown(verdict)
        try:
            require_blessed(verdict)
            require_grounds(verdict)
        except RefusedError:
            return "taken, not blessed"
        assert verdict.decision != "block"
        return "taken, blessed"


READERS = {
    "policy": PolicyReader,
    "waivers": WaiverReader,
    "record": RecordReader,
    "verdict": VerdictReader,
}


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def _is_policy(data: bytes) -> bool:
    try:
        load_policy(data)
    except PolicyError:
        return False
    return True


def _judged(policy: Policy, evidence: Evidence | RecordProblem, **options: Any) -> Verdict:
    verdict = judge(policy, evidence, model=None, as_of=AS_OF, training_only=True, **options)
    assert verdict.verdict_id == verdict.computed_id()
    assert not verdict.blessed
    return verdict


def _shown(verdict: Verdict) -> None:
    """In every form, and nothing in it moves a cursor or is markup."""
    for name, form in FORMATS.items():
        text = form(verdict)
        assert "\x1b" not in text, name
        assert name not in {"html", "markdown"} or "<script" not in text, name
    assert "\x1b" not in explain(verdict)
    canonical_json(statement_of(verdict))


def sealed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Makes the manifest's digests fit, as whoever writes them can."""
    try:
        manifest = parse_json(files["manifest.json"])
        for file in (*manifest["parts"], manifest["card"], manifest["summary"]):
            if isinstance(file, dict) and file.get("path") in files:
                data = files[file["path"]]
                file.update(size=len(data), sha256=sha256(data))
        manifest["digest"] = manifest_digest(manifest)
    except (ValueError, KeyError, TypeError, AttributeError):
        return files
    return {**files, "manifest.json": _json(manifest)}


def _json(document: Any) -> bytes:
    return json.dumps(document).encode("utf-8", "surrogatepass")


# --- Runs -----------------------------------------------------------------------------------------
def run_corpus(name: str, folder: Path) -> collections.Counter[str]:
    """Reads the corpus as it is."""
    reader = READERS[name](folder)
    cases = reader.bases if isinstance(reader, RecordReader) else reader.corpus
    if isinstance(reader, RecordReader):
        first = reader.bases[0]
        cases = [*cases, *({**first, "manifest.json": data} for data in reader.corpus)]
    return collections.Counter(_timed(reader, case, f"{name}, corpus") for case in cases)


def run(
    name: str, folder: Path, *, seed: int, cases: int, first: int = 0
) -> collections.Counter[str]:
    """Reads so many mutants; returns how many were taken and refused, and how.

    Raises:
        AssertionError: If one broke the reader; says how to run it again.
    """
    reader = READERS[name](folder)
    tally: collections.Counter[str] = collections.Counter()
    for number in range(first, first + cases):
        case = reader.case(random.Random(f"{seed} {name} {number}"))
        tally[_timed(reader, case, f"--reader {name} --seed {seed} --only {number}")] += 1
    return tally


def _timed(reader: Any, case: Any, which: str) -> str:
    begin = time.process_time()
    try:
        outcome: str = reader.read(case)
    except Exception as error:
        text = f"{type(error).__name__}: {error}\nfuzz.py {which}\n{str(case)[:2000]}"
        raise AssertionError(text) from error
    took = time.process_time() - begin
    assert took < MOST_SECONDS, f"{took:.1f} s: fuzz.py {which}\n{str(case)[:2000]}"
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reader", choices=READERS, help="only this one")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, a reader")
    parser.add_argument("--only", type=int, help="number of one case to run again")
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}")
    for name in [wanted.reader] if wanted.reader else READERS:
        tally: collections.Counter[str] = collections.Counter()
        with tempfile.TemporaryDirectory() as folder:
            if wanted.only is not None:
                print(run(name, Path(folder), seed=wanted.seed, cases=1, first=wanted.only))
                continue
            begin, done = time.monotonic(), 0
            while time.monotonic() - begin < wanted.seconds:
                tally += run(name, Path(folder), seed=wanted.seed, cases=100, first=done)
                done += 100
        outcomes = ", ".join(f"{count} {what}" for what, count in sorted(tally.items()))
        print(f"{name}: {sum(tally.values())} cases: {outcomes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
