"""The last node: red if the gate blocked the model, green if not, and never from the cache."""

import pytest

from gradgate.contracts.verdict import Finding, Offence

pytestmark = pytest.mark.tfx

NONFINITE = Finding(
    id="nonfinite-gradient",
    signal="gradient.nonfinite_applied",
    status="fail",
    level="block",
    severity="block",
    evidence="reported",
    first_offence=Offence(step=37, epoch=1, variable="tower/dense/kernel"),
    message="3 of 20 steps, expected 0",
)
BLOCKED = {
    "decision": "block",
    "blessed": False,
    "healthy": False,
    "headline": "BLOCK nonfinite-gradient: non-finite gradient at step 37 in tower/dense/kernel",
    "findings": (NONFINITE,),
}


@pytest.fixture
def run_node(artifact, tmp_path):
    """Runs the executor on a judged model; `pushed` is what its Pusher did."""
    from tfx.types.standard_artifacts import PushedModel

    from gradgate.tfx.artifacts import TrainingHealthVerdict
    from gradgate.tfx.fail_if_blocked.executor import Executor

    def run(judged, *, pushed=None):
        verdict = artifact(TrainingHealthVerdict, judged.verdict_dir)
        inputs = {"verdict": [verdict]}
        if pushed is not None:
            inputs["pushed_model"] = [artifact(PushedModel, tmp_path / "pushed", **pushed)]
        Executor().Do(inputs, {}, {"run_nonce": "1"})

    return run


def red(match):
    from gradgate.tfx.fail_if_blocked.executor import BlockedError

    return pytest.raises(BlockedError, match=match)


def test_a_blocked_model_turns_the_run_red_with_the_first_offence_and_the_next_command(
    judged, run_node
):
    run = judged(**BLOCKED)
    with red("BLOCK") as caught:
        run_node(run, pushed={"pushed": 0, "reason": "not pushed: the gate did not bless it"})
    assert str(caught.value) == (
        "BLOCK nonfinite-gradient: non-finite gradient at step 37 in tower/dense/kernel\n"
        "First offence: nonfinite-gradient, step 37 (epoch 1) in tower/dense/kernel\n"
        f"Why, and what to change: gradgate explain {run.verdict_dir}\n"
        "The run is red on purpose: FailIfBlocked is its last node. Verdict, report and blessing"
        " were written before and stay."
    )


@pytest.mark.parametrize(
    "changes", [{}, {"decision": "warn"}, {"mode": "shadow", "would_decide": "block"}]
)
def test_what_the_gate_lets_through_leaves_the_run_green(judged, run_node, changes):
    run_node(judged(**changes), pushed={"pushed": 1})
    run_node(judged("no-pusher", **changes))


def test_the_no_of_another_judge_leaves_the_run_green_as_without_a_gate(judged, run_node):
    run_node(judged(blessed=False), pushed={"pushed": 0, "reason": "not pushed: Evaluator"})


def test_a_blessed_model_that_the_pusher_refused_turns_the_run_red(judged, run_node):
    reason = "not pushed: these bytes are not those that were judged: saved_model.pb (changed)."
    with red("the gate blessed this model, and it was not pushed: not pushed: these bytes"):
        run_node(judged(), pushed={"pushed": 0, "reason": reason})
    with red("it was not pushed: the Pusher gave no reason"):
        run_node(judged("again"), pushed={})


def test_without_a_verdict_to_go_by_the_run_is_red(judged, run_node):
    from gradgate.tfx.fail_if_blocked.executor import Executor

    with red("the one verdict of this run is needed, got 0"):
        Executor().Do({"verdict": []}, {}, {"run_nonce": "1"})
    run = judged(**BLOCKED)
    path = run.verdict_dir / "verdict.json"
    path.write_text(path.read_text().replace("BLOCK nonfinite", "WARN nonfinite"))
    with red("there is no verdict to go by: .*was changed after it was given"):
        run_node(run)
    path.unlink()
    with red("there is no verdict to go by"):
        run_node(run)


def test_what_training_code_wrote_cannot_move_a_cursor(judged, run_node):
    with red("BLOCK red: all is well") as caught:
        run_node(judged(**BLOCKED | {"headline": "BLOCK red: \x1b[2Jall is well", "findings": ()}))
    assert "\x1b" not in str(caught.value)


def test_it_takes_a_nonce_that_differs_from_run_to_run_and_may_have_no_pusher():
    from tfx.types.channel import Channel

    from gradgate import FailIfBlocked, TrainingHealthVerdict

    node = FailIfBlocked(verdict=Channel(type=TrainingHealthVerdict))
    assert node.exec_properties["run_nonce"].name == "pipeline-run-id"
    assert (list(node.inputs), list(node.outputs)) == (["verdict"], [])
