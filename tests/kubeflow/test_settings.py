"""What a step gets of the cluster: laid over defaults, and checked before the cluster sees it."""

import pytest

from gradgate.kubeflow.compile import read_settings
from gradgate.kubeflow.package import PackageError
from gradgate.kubeflow.settings import Gpu, Settings, Step, Volume


def test_a_nodes_settings_lie_over_the_defaults():
    data, models = Volume(claim="data", path="/data"), Volume(claim="models", path="/models")
    settings = Settings(
        image="i",
        defaults=Step(cpu="1", memory="2Gi", retries=2, env={"A": "1", "B": "1"}, volumes=(data,)),
        nodes={
            "Trainer": Step(cpu="4", retries=0, gpu=Gpu(), env={"B": "2"}, volumes=(data, models))
        },
    )
    trainer, other = settings.of("Trainer"), settings.of("Transform")
    assert (trainer.cpu, trainer.memory, trainer.retries) == ("4", "2Gi", 0)
    assert trainer.gpu == Gpu(type="nvidia.com/gpu", count=1)
    assert trainer.env == {"A": "1", "B": "2"}
    assert trainer.volumes == (data, models)
    assert other == settings.defaults


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "settings are a mapping, got list"),
        ("image: i\nnode: {}", "node: Extra inputs are not permitted"),
        ("image: i\ndefaults: {cpu: 1 core}", "defaults.cpu: .*got '1 core'"),
        ("image: i\ndefaults: {memory: 4GB}", "defaults.memory: .*got '4GB'"),
        ("image: i\ndefaults: {retries: -1}", "defaults.retries"),
        ("image: i\ndefaults: {volumes: [{claim: c, path: data}]}", "is absolute, got 'data'"),
        ("image: i\ndefaults: {scratch: [{path: /a/../b}]}", "is absolute"),
        ("image: i\ndefaults: {secrets: [{name: Key, keys: {a: A}}]}", "secrets.0.name"),
        ("image: i\ndefaults: {secrets: [{name: key, keys: {a: A-B}}]}", "secrets.0.keys"),
        ("image: i\ndefaults: {tolerations: [{value: x}]}", "needs `operator: Exists`"),
        (
            "image: i\ndefaults: {tolerations: [{key: k, operator: Exists, value: x}]}",
            "has no value",
        ),
        ("image: [", "settings.yaml"),
    ],
)
def test_settings_that_cannot_be_used_are_an_error_that_names_the_field(tmp_path, text, says):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(PackageError, match=says):
        read_settings(path)


def test_settings_that_are_not_there_are_an_error(tmp_path):
    with pytest.raises(PackageError, match=r"none\.yaml"):
        read_settings(tmp_path / "none.yaml")
