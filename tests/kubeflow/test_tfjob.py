"""The manifest for the training operator: what it starts exists, and is to end when it ends."""

import shlex

import pytest
import yaml

from pipeline import distributed


@pytest.fixture(scope="module")
def job(request):
    path = request.config.rootpath / "kubeflow" / "tfjob.yaml"
    return yaml.safe_load(path.read_text())


def pods(job):
    for kind in ("Chief", "Worker"):
        replicas = job["spec"]["tfReplicaSpecs"][kind]
        (container,) = replicas["template"]["spec"]["containers"]
        yield kind, replicas, container


def test_one_chief_and_workers_of_the_same_command_that_are_not_started_again(job):
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    assert job["spec"]["runPolicy"] == {"cleanPodPolicy": "Running", "backoffLimit": 0}
    (_, chief, of_chief), (_, workers, of_worker) = pods(job)
    assert chief["replicas"] == 1
    assert workers["replicas"] == 2
    assert chief["restartPolicy"] == workers["restartPolicy"] == "Never"
    assert of_chief == of_worker
    assert of_chief["name"] == "tensorflow"  # the operator's name for it


def test_the_command_takes_these_arguments(job):
    for _, _, container in pods(job):
        assert container["command"] == shlex.split("python -m pipeline.distributed")
        asked = distributed._parse(container["args"])
        (mounted, _) = container["volumeMounts"]
        assert str(asked.output).startswith(mounted["mountPath"])
        # SIGKILL comes before a process would be given up otherwise.
        assert asked.grace_seconds <= 30


def test_it_writes_where_it_may(job):
    for kind, replicas, container in pods(job):
        assert container["securityContext"]["readOnlyRootFilesystem"], kind
        names = {volume["name"] for volume in replicas["template"]["spec"]["volumes"]}
        assert names == {mount["name"] for mount in container["volumeMounts"]}
