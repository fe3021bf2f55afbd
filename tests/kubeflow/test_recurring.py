"""One recurring run of a name, whatever the server had before and whatever goes wrong.

Kubeflow's own client speaks over HTTP to a server of ours: the real one needs a cluster.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from gradgate.kubeflow.keep_recurring import main
from tests.kubeflow.kfp_api import KfpApi

pytestmark = pytest.mark.half("second")  # it asks nothing of the stack

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = """
components: {}
deploymentSpec: {}
pipelineInfo: {name: chicago-taxi}
root:
  dag: {tasks: {}}
  inputDefinitions:
    parameters:
      config: {parameterType: STRING, defaultValue: sound}
      fail: {parameterType: BOOLEAN, defaultValue: false}
      limit: {parameterType: NUMBER_DOUBLE, isOptional: true}
      root: {parameterType: STRING}
      steps: {parameterType: NUMBER_INTEGER, defaultValue: 800.0}
schemaVersion: 2.1.0
sdkVersion: kfp-2.16.1
---
platforms: {}
"""
CRON = "0 0 4 * * *"


@pytest.fixture
def api():
    with KfpApi() as server:
        yield server


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "taxi.yaml"
    path.write_text(PACKAGE)
    return path


@pytest.fixture
def keep(api, package, capsys):
    """Runs the command; returns its status and what it wrote."""

    def run(*more, cron=CRON, root="/gradgate"):
        schedule = ("--cron", cron) if cron else ()
        values = ("-p", f"root={root}") if root else ()
        status = main(
            [str(package), "--host", api.address, "--wait=0", *schedule, *values, *map(str, more)]
        )
        return status, *capsys.readouterr()

    return run


def test_it_is_created_with_all_it_needs(api, keep):
    status, out, err = keep("-p", "steps=90", "-p", "fail=true", "--service-account", "trainer")
    assert (status, out, err) == (0, "create: chicago-taxi\n", "")
    (run,) = api.runs.values()
    assert run["mode"] == "ENABLE"
    assert run["no_catchup"] is True
    assert run["max_concurrency"] == "1"
    assert run["trigger"] == {"cron_schedule": {"cron": CRON}}
    values = {"root": "/gradgate", "steps": 90, "fail": True}
    assert run["runtime_config"]["parameters"] == values
    assert run["service_account"] == "trainer"
    (experiment,) = api.experiments.values()
    assert experiment["display_name"] == "chicago-taxi"
    assert run["experiment_id"] == experiment["experiment_id"]
    version = api.versions[run["pipeline_version_reference"]["pipeline_version_id"]]
    assert version["display_name"].startswith("sha256-")
    assert version["pipeline_spec"]["pipelineInfo"]["name"] == "chicago-taxi"


def test_the_same_again_changes_nothing(api, keep):
    keep()
    api.log.clear()
    assert keep() == (0, "nothing to do: it is as it should be\n", "")
    assert api.log == []


def test_by_seconds_it_is_the_same_too(api, keep):
    assert keep("--every-seconds", 3600, cron=None)[0] == 0
    assert keep("--every-seconds", 3600, cron=None)[1].startswith("nothing to do")
    (run,) = api.runs.values()
    assert run["trigger"]["periodic_schedule"]["interval_second"] == "3600"


def _package(package, keep):
    package.write_text(PACKAGE.replace("2.16.1", "2.16.2"))
    return keep()


@pytest.mark.parametrize(
    "change",
    [
        lambda package, keep: keep(cron="0 0 5 * * *"),
        lambda package, keep: keep("--every-seconds", 60, cron=None),
        lambda package, keep: keep(root="/other"),
        lambda package, keep: keep("-p", "limit=0.5"),
        lambda package, keep: keep("--pipeline-root", "minio://mlpipeline/here"),
        lambda package, keep: keep("--service-account", "trainer"),
        _package,
    ],
    ids=["cron", "seconds", "value", "parameter", "pipeline root", "account", "package"],
)
def test_what_changed_is_made_anew_before_the_old_one_goes(api, package, keep, change):
    keep()
    (old,) = api.runs
    api.log.clear()
    status, out, _ = change(package, keep)
    assert status == 0
    assert out == f"create: chicago-taxi\ndisable: {old}\ndelete: {old}\n"
    assert api.log[-3:] == [
        "POST /recurringruns",
        "POST /recurringruns/*:disable",
        "DELETE /recurringruns/*",
    ]
    (new,) = api.enabled()
    assert new["recurring_run_id"] != old
    assert list(api.runs.values()) == [new]
    assert change(package, keep)[1].startswith("nothing to do")


def test_a_package_is_uploaded_once(api, package, keep):
    for _ in range(3):
        keep()
    keep(root="/other")
    assert len(api.pipelines) == 1
    assert len(api.versions) == 2  # the first upload's own, and the one named by its content
    _package(package, keep)
    assert len(api.pipelines) == 1
    assert len(api.versions) == 3


@pytest.mark.parametrize("kind", ["500", "lost", "down"])
@pytest.mark.parametrize("at", range(4))
def test_a_fault_at_any_step_is_got_over(package, capsys, kind, at):
    """Upload of a version, creation, disabling, deletion: each fails once, before or after it."""
    with KfpApi() as api:
        arguments = [
            str(package),
            "--host",
            api.address,
            "--wait=0",
            "--cron",
            CRON,
            "-p",
            "root=/",
        ]
        assert main(arguments) == 0
        package.write_text(PACKAGE.replace("2.16.1", "2.16.2"))
        api.break_at(at, kind)
        assert main(arguments) == 0
        assert api.fault is None, "the fault was never met"
        # A deletion without an answer is asked for again by the client's transport itself.
        said = "the server failed; trying again (1 of 3)" in capsys.readouterr().err
        assert said is (at < 3 or kind == "500")
        (run,) = api.runs.values()
        assert run["mode"] == "ENABLE"
        assert len(api.versions) == 3
        assert api.most_enabled == 2
        assert main(arguments) == 0
        assert capsys.readouterr().out.startswith("nothing to do")


@pytest.mark.parametrize("kind", ["500", "lost"])
@pytest.mark.parametrize("at", range(8))
def test_cut_off_at_any_step_the_next_one_ends_it(package, monkeypatch, kind, at):
    """From nothing to the first one, then to a second: whoever is cut off is just run again."""
    import gradgate.kubeflow.keep_recurring as module

    with KfpApi() as api:
        arguments = [
            str(package),
            "--host",
            api.address,
            "--wait=0",
            "--cron",
            CRON,
            "-p",
            "root=/",
        ]
        monkeypatch.setattr(module, "_TRIES", 1)
        api.break_at(at, kind)
        for text in (PACKAGE, PACKAGE.replace("2.16.1", "2.16.2")):
            package.write_text(text)
            if main(arguments) != 0:
                assert len(api.runs) <= 2
                assert main(arguments) == 0
        (run,) = api.runs.values()
        assert run["mode"] == "ENABLE"
        version = api.versions[run["pipeline_version_reference"]["pipeline_version_id"]]
        assert version["pipeline_spec"]["sdkVersion"] == "kfp-2.16.2"


def test_of_two_that_were_made_at_once_the_first_stays(api, keep):
    keep()
    ((first, made),) = api.runs.items()
    for number in (7, 8):
        name = f"id-90{number}"
        later = f"2026-11-24T05:00:0{number}Z"
        api.runs[name] = {**made, "recurring_run_id": name, "created_at": later}
    status, out, _ = keep()
    assert status == 0
    assert list(api.runs) == [first]
    assert "delete: id-907" in out
    assert "delete: id-908" in out


def test_one_among_many_is_found(api, keep):
    keep()
    for number in range(8):
        keep("--name", f"other-{number}")
    assert len(api.runs) == 9
    api.log.clear()
    assert keep("--name", "other-7")[1].startswith("nothing to do")
    assert keep()[1].startswith("nothing to do")
    assert api.log == []


def test_one_that_was_stopped_is_started_again(api, keep):
    keep()
    (run,) = api.runs.values()
    run.update(mode="DISABLE", status="DISABLED")
    assert keep()[1] == f"enable: {run['recurring_run_id']}\n"
    assert api.enabled() == [run]
    assert keep("--disabled")[1] == f"disable: {run['recurring_run_id']}\n"
    assert keep("--disabled")[1].startswith("nothing to do")
    assert api.enabled() == []


def test_one_that_somebody_changed_by_cloning_it_is_no_longer_ours_to_trust(api, keep):
    keep()
    (run,) = api.runs.values()
    run["runtime_config"]["parameters"]["root"] = "/elsewhere"
    assert keep()[1].startswith("create: chicago-taxi\ndisable: ")
    (new,) = api.runs.values()
    assert new["runtime_config"]["parameters"]["root"] == "/gradgate"


def test_one_that_was_not_made_by_us_is_left_alone_unless_asked(api, keep):
    keep()
    (run,) = api.runs.values()
    run["description"] = "made by hand"
    api.log.clear()
    status, out, err = keep()
    assert (status, out, api.log) == (1, "", [])
    assert "has a recurring run 'chicago-taxi' that was not made by this script: id-" in err
    assert keep("--delete", cron=None, root=None)[0] == 1
    assert keep("--adopt")[0] == 0
    assert len(api.enabled()) == len(api.runs) == 1


def test_a_dry_run_says_all_and_does_nothing(api, keep):
    assert keep("--dry-run")[:2] == (0, "would have created: chicago-taxi\n")
    assert (api.log, api.experiments, api.pipelines) == ([], {}, {})
    keep()
    (run,) = api.runs
    api.log.clear()
    assert keep("--dry-run", root="/other")[1] == (
        f"would have created: chicago-taxi\nwould have disabled: {run}\nwould have deleted: {run}\n"
    )
    assert keep("--dry-run", "--delete", cron=None, root=None)[1] == (
        f"would have disabled: {run}\nwould have deleted: {run}\n"
    )
    assert api.log == []


def test_it_is_deleted(api, keep):
    assert keep("--delete", cron=None, root=None)[1] == "nothing to do: there is none\n"
    assert api.experiments == {}
    keep()
    status, out, _ = keep("--delete", cron=None, root=None)
    assert status == 0
    assert out.splitlines()[0].startswith("disable: ")
    assert api.runs == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"more": ("-p", "step=3")},
            "no parameter 'step'; did you mean 'steps'? Parameters: config,",
        ),
        ({"root": None}, "these parameters have no default, so each needs a value: root."),
        ({"more": ("-p", "steps=3.5")}, "parameter 'steps' is a NUMBER_INTEGER, got '3.5'."),
        ({"more": ("-p", "fail=yes")}, "parameter 'fail': 'yes' is no JSON: "),
        ({"more": ("-p", "steps")}, "--parameter 'steps': name=value is wanted."),
        ({"cron": "0 4 * * *"}, "cron '0 4 * * *' has 5 fields. Kubeflow's has six, the first of"),
        ({"cron": None}, "a schedule is either cron or seconds between runs: give one."),
        ({"more": ("--every-seconds", "5")}, "a schedule is either cron or seconds between runs"),
        ({"cron": None, "more": ("--every-seconds", "0")}, "every 1 second or more, got 0."),
        ({"more": ("--token-file", "/nowhere")}, "No such file or directory: '/nowhere'"),
    ],
)
def test_what_cannot_be_is_said_before_the_server_is_asked(api, keep, arguments, words):
    more = arguments.pop("more", ())
    status, out, err = keep(*more, **arguments)
    assert (status, out, api.log) == (2, "", [])
    assert words in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "this is no package: "),
        ("[]", "this is no package of Kubeflow Pipelines 2"),
        ("pipelineSpec: {}", "(no 'pipelineInfo' in it). Compile one with kubeflow/compile.py."),
    ],
)
def test_a_file_that_is_no_package_is_refused(package, keep, text, words):
    package.write_text(text)
    status, _, err = keep()
    assert status == 2
    assert words in err


def test_a_server_that_knows_us_not_says_what_to_bring(api, keep, tmp_path):
    api.token = "secret"
    status, _, err = keep()
    assert status == 1
    assert "the server said 401" in err
    assert "Give a token that may do so (--token-file)" in err
    (tmp_path / "token").write_text("secret\n")
    assert keep("--token-file", tmp_path / "token")[0] == 0
    assert len(api.runs) == 1


def test_a_server_that_is_not_there_ends_in_words(package, capsys):
    arguments = [str(package), "--cron", CRON, "-p", "root=/", "--wait=0"]
    assert main([*arguments, "--host", "http://127.0.0.1:9"]) == 1
    err = capsys.readouterr().err
    assert err.count("the server failed; trying again") == 3
    assert "no answer came" in err


def test_the_script_runs_from_a_checkout_and_loads_no_tensorflow(api, package, tmp_path):
    arguments = ["--host", api.address, "--cron", CRON, "-p", "root=/"]
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            ROOT / "kubeflow" / "recurring.py",
            package,
            *arguments,
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "components"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "create: chicago-taxi\n"), done.stderr[-2000:]
    assert "| tensorflow\n" not in done.stderr
    assert len(api.enabled()) == 1
