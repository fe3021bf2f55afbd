"""The loader: what it refuses, in which words, and in how little time."""

import contextlib
import os
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.contracts import Policy
from gradgate.gate import PolicyError, load_policy, policy_digest, read_policy

HEAD = """\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: test, revision: 1, owner: tests}
rules:
"""
RULE = """\
  - id: skips
    signal: step.skipped
    aggregate: {fn: mean}
    expect: {op: "<=", value: 0.05}
"""
GOOD = HEAD + RULE


def problems(text, source="policy.yaml"):
    with pytest.raises(PolicyError) as caught:
        load_policy(text, source)
    return str(caught.value).splitlines()


def test_reads_what_people_write():
    policy = load_policy(GOOD)
    assert isinstance(policy, Policy)
    assert policy.rules[0].expect.value == 0.05
    assert policy.require_evaluator
    assert load_policy(GOOD.encode()) == policy


def test_yaml_1_2_numbers_and_words():
    text = GOOD.replace("0.05", "1e-7").replace("owner: tests", "owner: no")
    policy = load_policy(text)
    assert policy.rules[0].expect.value == 1e-7
    assert policy.metadata.owner == "no"


@pytest.mark.parametrize(
    "number", ["5", "-0", "-3", "+7", "-0.25", "+0.5", ".5", "5.", "1E3", "9007199254740992"]
)
def test_numbers_that_are_plain(number):
    text = GOOD.replace("0.05", number).replace("step.skipped", "loss")
    assert load_policy(text).rules[0].expect.value == float(number)


def test_the_digest_is_of_what_is_meant_not_of_how_it_is_written():
    other = "# why\n" + GOOD.replace("\n", "\r\n").replace('op: "<="', "'op': '<='")
    assert policy_digest(load_policy(other)) == policy_digest(load_policy(GOOD))
    assert policy_digest(load_policy(GOOD.replace("0.05", "0.06"))) != policy_digest(
        load_policy(GOOD)
    )
    spelled_out = GOOD + "    severity: block\n"
    assert policy_digest(load_policy(spelled_out)) != policy_digest(load_policy(GOOD))


# --- Poison ---------------------------------------------------------------------------------------
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
)
POISON = {
    "alias bomb": (BOMB, "a: has an anchor (&a); write the value out"),
    "flow nesting": ("[" * 5000, "has 5000 open brackets"),
    "flow nesting within the limit": ("[" * 100, "is nested more than 20 deep"),
    "block nesting": ("- " * 5000, "is nested more than 20 deep"),
    "map nesting": ("\n".join(" " * i + "a:" for i in range(400)), "more than 20 deep"),
    "huge integer": ("x: " + "9" * 5000, "a whole number is at most 2^53"),
    "2^53 + 1": ("x: 9007199254740993", "a whole number is at most 2^53"),
    "huge float": ("x: 1.1e30", "a number is at most 1e30"),
    "nan": ("x: .nan", "is .nan; a limit is a finite number"),
    "inf": ("x: -.inf", "is -.inf; a limit is a finite number"),
    "1e999": ("x: 1e999", "is 1e999; a number is at most 1e30"),
    "python tag": ("x: !!python/object/apply:os.system ['true']", "has a tag"),
    "own tag": ("x: !include other.yaml", "has a tag"),
    "tag on a key": ("!!str x: 1", "has a key with an anchor or a tag"),
    "binary": ("x: !!binary aGk=", "has a tag"),
    "duplicate key": ("a: 1\nb: 2\na: 3", "a: stands twice, first in line 1; keep one"),
    "duplicate in flow": ("x: {a: 1, a: 2}", "x.a: stands twice"),
    "alias as key": ("x: &x 1\n*x : 2", "has a key that is no word"),
    "list as key": ("[1, 2]: 3", "has a key that is no word"),
    "merge key": ("<<: {a: 1}", "has a merge key (<<)"),
    "10 MB": ("x: " + "y" * 10_000_000, "has 10000003 bytes, and a policy has at most 262144"),
    "10 MB of lines": ("a: b\n" * 2_000_000, "has 10000000 bytes"),
    "250 KB of lines": ("a: b\n" * 50_000, "has 50000 lines"),
    "many values": ("[" + "a," * 120_000 + "]", "has more than 4000 values"),
    "NUL": ("x: 1\0", "invisible character U+0000"),
    "escape": ("x: \x1b[31m", "invisible character U+001B"),
    "BOM": ("\ufeff" + GOOD, "invisible character U+FEFF"),
    "lone CR": ("# harmless\rrules: []", "invisible character U+000D"),
    "line separator": ("a: 1\u2028b: 2", "invisible character U+2028"),
    "right to left": ("owner: \u202etset", "invisible character U+202E"),
    "no UTF-8": (b"x: \xff\xfe", "is not UTF-8 at byte 3"),
    "UTF-16": (GOOD.encode("utf-16"), "is not UTF-8 at byte 0"),
    "lone surrogate": ("x: \ud800", "is not UTF-8"),
    "two documents": (GOOD + "---\n" + GOOD, "holds several documents"),
    "directive": ("%YAML 1.1\n---\n" + GOOD, "has a directive"),
    "tag directive": ("%TAG ! tag:x,2000:\n---\n" + GOOD, "has a directive"),
    "octal": ("x: 017", "is 017, which programs read differently"),
    "hexadecimal": ("x: 0x1F", "is 0x1F, which programs read differently"),
    "sexagesimal": ("x: 12:30:00", "is 12:30:00, which programs read differently"),
    "tab": ("a:\n\tb: 1", "is no YAML"),
    "open quote": ("a: '" + "x\n" * 4000, "is no YAML"),
    "only anchors": ("&a " * 80_000, "is no YAML"),
    "only colons": (": " * 100_000, "is nested more than 20 deep"),
    "empty": ("", "is empty"),
    "only a comment": ("# nothing\n", "is empty"),
    "a word": ("policy", "input should be an object"),
    "a list": ("- 1", "input should be an object"),
    "null": ("~", "input should be an object"),
    "a path": ("../../etc/passwd", "input should be an object"),
    "an address": ("file:///etc/passwd", "input should be an object"),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_is_refused_at_once_and_by_one_kind_of_error(name):
    text, message = POISON[name]
    tracemalloc.start()
    start = time.process_time()
    found = problems(text)
    took = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message in "\n".join(found)
    assert took < 3  # with the memory traced; about a third of it without
    assert peak < 200e6
    assert all(len(line) < 1000 for line in found)


@pytest.mark.parametrize("name", ["many values", "flow nesting within the limit", "10 MB"])
def test_the_slowest_poison_takes_less_than_a_second(name):
    start = time.process_time()
    problems(POISON[name][0])
    assert time.process_time() - start < 1


@given(st.one_of(st.binary(max_size=400), st.text(max_size=200)))
def test_whatever_the_bytes_it_is_a_policy_error(data):
    with pytest.raises(PolicyError):
        load_policy(data)


@given(st.integers(0, len(GOOD)), st.sampled_from(list("{}[]:,-&*!%#'\"\n\t \\\0é<")))
def test_one_character_more_is_a_policy_or_a_policy_error(at, char):
    with contextlib.suppress(PolicyError):
        assert isinstance(load_policy(GOOD[:at] + char + GOOD[at:]), Policy)


def test_a_message_moves_no_cursor():
    found = problems('"\\e[2J\\u202e": 1\nrules: []')
    assert all(line.isprintable() for line in found)


# --- Words ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("metadata: {id: test, ", "metadata: {id: Test It, "),
            ("policy.yaml:3:12: metadata.id: got 'Test It'; must match "
            "^[a-z0-9][a-z0-9.-]{0,62}$"),
        ),
        (("metadata", "metdata"), "policy.yaml:1:1: metadata is missing"),
        (
            ("metadata", "metdata"),
            ("policy.yaml:3:1: metdata: there is no such field; did you mean metadata? the fields"
            " here are apiVersion, kind, metadata, mode, required_signals, coverage,"
            " staleness, baseline, defaults,"
                " require_evaluator, require_trained_weights, max_waiver_days, rules,"
                " shadow_rules"),
        ),
        (
            ("gradgate/v1", "gradgate/v2"),
            "policy.yaml:1:1: apiVersion: got 'gradgate/v2'; use 'gradgate/v1'",
        ),
        (
            ("fn: mean", "fn: median"),
            ("policy.yaml:7:17: rules[0].aggregate.fn: got 'median'; use one of 'sum', 'mean',"
            " 'max', 'min', 'last', 'count', 'rate', 'quantile', 'slope', 'variation',"
            " 'rolling_max', 'rolling_min', 'sustained_max', 'persistence', 'improvement',"
            " 'tail_median'"),
        ),
        (
            ("fn: mean", "fn: persistance, op: '<', value: 1"),
            ("policy.yaml:7:17: rules[0].aggregate.fn: got 'persistance'; did you mean persistence?"
            " use one of"),
        ),
        (("fn: mean", "of: mean"), "policy.yaml:7:5: rules[0].aggregate: fn is missing"),
        (
            ("fn: mean", "fn: persistence, op: '<'"),
            "policy.yaml:7:5: rules[0].aggregate: value is missing",
        ),
        (
            ("value: 0.05", "limit: 0.05"),
            ("policy.yaml:8:24: rules[0].expect.limit: there is no such field; the fields here are"
            " op, value"),
        ),
        (
            ("value: 0.05", "value: '0.05'"),
            "policy.yaml:8:24: rules[0].expect.value: got '0.05'; input should be a valid number",
        ),
        (
            ("value: 0.05", "value: true"),
            "policy.yaml:8:24: rules[0].expect.value: got True; input should be a valid number",
        ),
        (
            ('"<="', '"=<"'),
            ("policy.yaml:8:14: rules[0].expect.op: got '=<'; use one of '==', '<', '<=', '>',"
            " '>=', 'between'"),
        ),
        (
            ('op: "<=", value: 0.05', "op: between, low: 2, high: 1"),
            "policy.yaml:8:5: rules[0].expect: between: low must be below high, got 2.0 and 1.0.",
        ),
        (
            ("step.skipped", "step.skiped"),
            ("policy.yaml:6:5: rules[0].signal: there is no signal step.skiped; did you mean"
            " step.skipped?"),
        ),
        (
            (RULE, RULE + "    window: {last: 0}\n"),
            ("policy.yaml:9:14: rules[0].window.last: got 0; give a number of steps, a percentage"
            " as 5%"),
        ),
        (
            (RULE, RULE + "    window: {skip_first: warm-up}\n"),
            ("policy.yaml:9:14: rules[0].window.skip_first: got 'warm-up'; give a number of steps,"
            " a percentage as 5%, or burn-in"),
        ),
        (
            (RULE, RULE + "    window: {first: 1, last: 1}\n"),
            ("policy.yaml:9:5: rules[0].window: window: 'first' and 'last' exclude each other;"
            " keep one."),
        ),
        (
            (RULE, RULE + "    scope: {include: ['**']}\n"),
            ("policy.yaml:9:5: rules[0].scope: step.skipped is of the run as a whole and has no"
            " scope; remove it"),
        ),
        (
            ("fn: mean", "fn: improvement"),
            ("rules[0].aggregate.fn: improvement does not fit step.skipped, which is 0 or 1 at"
            " every step; use sum, mean or persistence"),
        ),
        (
            ("step.skipped\n    aggregate: {fn: mean}", "loss\n    aggregate: {fn: sum}"),
            "rules[0].aggregate.fn: sum does not fit loss, a magnitude; use mean, max, min or last",
        ),
        (
            (RULE, RULE.replace("step.skipped", "variable.unused").replace(
                "fn: mean", "fn: sustained_max, steps: 2")),
            "rules[0].aggregate.fn: sustained_max needs steps, and variable.unused is known once",
        ),
        (
            (RULE, RULE.replace("step.skipped", "variable.unused") + "    min_samples: 2\n"),
            "policy.yaml:9:5: rules[0].min_samples: variable.unused is known once",
        ),
        (
            (RULE, RULE.replace("step.skipped", "variable.unused") + "    window: {last: 2}\n"),
            "policy.yaml:9:5: rules[0].window: variable.unused is known once and has no steps",
        ),
        (
            (RULE, RULE.replace("step.skipped", "variable.norm")
             + "    scope: {include: [''], exclude: [a, '']}\n"),
            "rules[0].scope.exclude[1]: is empty and matches nothing",
        ),
        (
            (RULE, RULE + "    severity: warn\n"),
            "rules: none has severity block, so this policy could never block.",
        ),
        (
            (RULE, RULE + "    on_missing: warn\n"),
            ("rules: skips: on_missing is warn and severity is block; what was not measured must"
            " not be treated more mildly than what failed."),
        ),
        (
            (RULE, RULE + "    window: {range: 5}\n"),
            "policy.yaml:9:14: rules[0].window.range: got 5; give where it begins and ends, as",
        ),
        (
            (RULE, RULE + "    window: {range: [5%]}\n"),
            "policy.yaml:9:14: rules[0].window.range: got ",
        ),
        (
            (RULE, RULE + "    window: {range: [0, half]}\n"),
            ("policy.yaml:9:25: rules[0].window.range[1]: got 'half'; give a number of steps or a"
            " percentage as 5%"),
        ),
        (
            (RULE, RULE + "    window: {range: [50%, 5%]}\n"),
            ("policy.yaml:9:5: rules[0].window: window: 'range' must rise, got 50% to 5%."),
        ),
        (
            (RULE, RULE + "    window: {range: [0, 5], last: 3}\n"),
            ("policy.yaml:9:5: rules[0].window: window: 'range' says it all; remove the others."),
        ),
        (
            ("fn: mean", "fn: quantile, q: 0.5"),
            "rules[0].aggregate.fn: quantile does not fit step.skipped, which is 0 or 1",
        ),
        (
            ("step.skipped\n    aggregate: {fn: mean}", "loss\n    aggregate: {fn: rate}"),
            "rules[0].aggregate.fn: rate does not fit loss, a magnitude; use mean, max, min or",
        ),
        (
            ("step.skipped\n    aggregate: {fn: mean}",
             "loss\n    min_samples: 1\n    aggregate: {fn: slope}"),
            "rules[0].min_samples: a single sample has no slope; ask for 2 or more",
        ),
        (
            ("fn: mean", "fn: variation"),
            "rules[0].aggregate.fn: variation does not fit step.skipped, which is 0 or 1",
        ),
        (
            ("fn: mean", "fn: rolling_max, over: 1001"),
            ("policy.yaml:7:34: rules[0].aggregate.over: got 1001; input should be less than or"
            " equal to 1000"),
        ),
        (
            ("rules:", "required_signals: [los, loss, loss]\nrules:"),
            ("policy.yaml:4:20: required_signals[0]: there is no signal los; did you mean loss?"),
        ),
        (
            ("rules:", "required_signals: [los, loss, loss]\nrules:"),
            "policy.yaml:4:31: required_signals[2]: loss stands twice; keep one",
        ),
        (
            ("owner: tests", "owner: tests, review_by: 2027-03-01"),
            ("policy.yaml:3:49: metadata.review_by: must be an RFC 3339 time with a zone, such as"
            " 2026-01-31T12:00:00Z; got '2027-03-01'"),
        ),
        (
            ("rules:", "staleness: {max_clock_skew: 5 min}\nrules:"),
            ("policy.yaml:4:13: staleness.max_clock_skew: got '5 min'; give a length of"
            " time as 90s, 5m, 24h or 7d"),
        ),
        ((RULE, RULE + RULE), "policy.yaml:4:1: rules: id used twice: skips."),
        ((RULE, "  []\n"), "policy.yaml:4:1: rules: got []; "),
    ],
)  # fmt: skip
def test_a_problem_is_named_with_its_place_what_was_got_and_what_to_do(change, message):
    text = GOOD.replace(*change)
    assert text != GOOD
    assert any(line.startswith(message) or message in line for line in problems(text))


def test_all_problems_are_reported_at_once_in_the_order_of_lines():
    text = GOOD.replace("revision: 1", "revision: 0").replace("0.05", "'x'").replace("skips", "S")
    lines = [int(line.split(":")[1]) for line in problems(text)]
    assert lines == sorted(lines)
    assert len(lines) == 3


def test_many_problems_are_cut_off():
    assert len(problems("\n".join(f"k{i}: .nan" for i in range(100)))) == 20


def test_the_source_is_named():
    assert problems("x: 1", "pipeline/strict.yaml")[0].startswith("pipeline/strict.yaml:1:1: ")


# --- Files ----------------------------------------------------------------------------------------
def test_reads_a_plain_file(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    assert load_policy(read_policy(path)) == load_policy(GOOD)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "is not a plain file|Is a directory"),
        (os.mkfifo, "is not a plain file"),
        (lambda path: path.symlink_to("/etc/passwd"), "is a link; name the file itself"),
        (lambda path: path.touch(mode=0o000), None),
    ],
    ids=["missing", "folder", "pipe", "link", "unreadable"],
)
def test_what_is_no_file_is_missing(tmp_path, make, message):
    path = tmp_path / "policy.yaml"
    make(path)
    if message is None:
        if os.geteuid() == 0:
            pytest.skip("root reads everything")
        message = "Permission denied"
    with pytest.raises(PolicyError, match=message) as caught:
        read_policy(path)
    assert caught.value.code == "P-MISSING"


def test_a_huge_file_is_not_read_whole(tmp_path):
    path = tmp_path / "policy.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(PolicyError, match="bytes, and a policy has at most"):
        load_policy(read_policy(path))
