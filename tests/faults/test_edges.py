"""Row 26: limits at the edges of floating point, from the text of a policy to the verdict.

A signal is a float32; it is widened, which is exact, and compared with the limit, a float64, with
no tolerance. So the float32 nearest to 0.1 is above 0.1.
"""

import numpy as np
import pytest

from gradgate.gate import PolicyError, load_policy

# Observed (float32), operator, limit as it is written, whether it passes; by hand.
TABLE = [
    (-0.0, "==", "0", True),
    (0.0, "==", "-0.0", True),
    (-0.0, "<", "0", False),
    (0.1, "<=", "0.1", False),  # 0.100000001490116...
    (0.1, ">", "0.1", True),
    (0.1, "==", "0.10000000149011612", True),
    (0.1, "==", "0.1000000014901161", False),  # one unit in the last place less
    (0.5, "<=", "0.5", True),
    (0.5, "<", "0.5", False),
    (0.5, "<=", "0.49999999999999994", False),
    (16_777_216.0, "<", "16777217", True),  # 2^24: float32 has no 2^24 + 1, the limit has
    (16_777_216.0, "==", "16777216", True),
    (1e-45, ">", "0", True),  # 1.4e-45, the smallest float32
    (1e-45, "==", "0", False),
    (1e-45, ">", "5e-324", True),
    (0.0, "<", "5e-324", True),  # the smallest float64
    (0.0, "<=", "1e-400", True),  # reads as 0
    (3.4028235e38, "<=", "1e30", False),  # the greatest float32
    (-3.4028235e38, ">=", "-1e30", False),
    (3.4028235e38, ">", "9007199254740992", True),
    (np.nan, "<=", "1e30", False),
    (np.nan, ">=", "-1e30", False),
    (np.nan, "==", "0", False),
    (np.inf, ">", "1", False),
    (-np.inf, "<", "1", False),
]


@pytest.mark.parametrize(("observed", "op", "limit", "passes"), TABLE)
def test_the_exact_result(make_record, make_steps, verdict_on, small_policy_text, observed, op,
                          limit, passes):  # fmt: skip
    text = small_policy_text[: small_policy_text.index("rules:")] + (
        "rules:\n  - {id: edge, signal: loss, aggregate: {fn: last}, "
        f'expect: {{op: "{op}", value: {limit}}}}}\n'
    )
    steps = make_steps()
    steps.loss[-1] = observed
    verdict = verdict_on(make_record(steps=steps), policy=load_policy(text))
    (finding,) = verdict.findings
    assert finding.status == ("pass" if passes else "fail"), finding.message
    # Samples may be seen in any order, so a zero has no sign of its own in a verdict.
    np.testing.assert_equal(finding.observed.value, float(np.float32(observed)) + 0.0)


@pytest.mark.parametrize(
    "limit", ["1e308", "1.0000000000000002e30", "-1e31", ".inf", ".nan", "1e999"]
)
def test_limits_that_no_policy_has(small_policy_text, limit):
    with pytest.raises(PolicyError):
        load_policy(small_policy_text.replace("value: 5", f"value: {limit}"))


def test_a_sum_beyond_every_float_is_no_pass(
    make_record, make_steps, verdict_on, small_policy_text
):
    """The mean of numbers near the greatest float32 is still a float64: it cannot overflow."""
    steps = make_steps()
    steps.norms[:] = 3e38
    text = small_policy_text.replace("fn: max}, expect: {op: \"<=\", value: 5}", (
        'fn: mean}, expect: {op: "<=", value: 1e30}'))  # fmt: skip
    verdict = verdict_on(make_record(steps=steps), policy=load_policy(text))
    finding = next(finding for finding in verdict.findings if finding.id == "norm")
    assert finding.status == "fail"
    assert finding.observed.value == pytest.approx(3e38, rel=1e-6)
