"""Synthetic trainings, made of plain arrays that a test changes where it wants a fault."""

import dataclasses
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gradgate.contracts import (
    ActivationCard,
    EpochSummary,
    Manifest,
    ModelCard,
    Policy,
    Summary,
    VariableCard,
    Waivers,
)
from gradgate.contracts.summary import SeriesSummary, Sketch, VariableSummary
from gradgate.gate import Evidence, judge
from gradgate.telemetry.batch import ActivationBatch, StatisticsBatch, StepBatch

AS_OF = "2026-11-23T05:40:00Z"
PATHS = ("first/kernel", "first/bias", "head/kernel")
SAMPLED = (
    "sampled", "mean_abs", "max_abs", "zero_fraction", "nonfinite", "weight_norm", "update_ratio",
    "adam_rms", "cosine", "global_cosine", "data_norm", "data_mean_abs", "data_max_abs",
    "data_zero_fraction",
)  # fmt: skip
LOOKED = ("looked", "dead_fraction", "saturated_fraction", "spread")


class Training:
    """A sound training of `steps` steps; every array and document may be changed.

    The loss falls from 1 to 0.1 in a line, gradients are 0.5 everywhere, nothing is clipped. What
    is None was not measured. Activations are looked at on the sampled steps.
    """

    def __init__(self, steps=300, paths=PATHS, every=50):
        v = len(paths)
        self.step = np.arange(steps)
        self.epoch = self.step // 100
        self.loss = np.linspace(1.0, 0.1, steps).astype(np.float32)
        self.norms = np.full((steps, v), 0.5, np.float32)
        self.global_norm = np.full(steps, 0.5 * np.sqrt(v), np.float32)
        self.clip_scale = np.ones(steps, np.float32)
        self.clipped = np.zeros(steps, bool)
        self.applied = np.ones(steps, bool)
        self.sampled = self.step[::every] if every else self.step[:0]
        rows = (len(self.sampled), v)
        self.mean_abs = np.full(rows, 0.1, np.float32)
        self.max_abs = np.full(rows, 0.4, np.float32)
        self.zero_fraction = np.zeros(rows, np.float32)
        self.nonfinite = np.zeros(rows, np.int64)
        self.weight_norm = np.ones(rows, np.float32)
        self.update_ratio = np.full(rows, 1e-3, np.float32)
        self.adam_rms = np.ones(rows, np.float32)
        self.cosine = np.full(rows, 0.5, np.float32)
        self.global_cosine = np.full(len(self.sampled), 0.5, np.float32)
        self.data_norm = self.data_mean_abs = self.data_max_abs = self.data_zero_fraction = None
        self.loss_scale = np.full(steps, 1024, np.float32)
        self.loss_scale_skips = None
        self.replica_loss = np.repeat(self.loss[:, np.newaxis], 2, axis=1)
        self.replica_norm = np.repeat(self.global_norm[:, np.newaxis], 2, axis=1)
        self.looked = self.sampled
        self.dead_fraction = np.tile(np.float32([0.1, np.nan]), (len(self.looked), 1))
        self.saturated_fraction = np.tile(np.float32([np.nan, 0.2]), (len(self.looked), 1))
        self.spread = np.tile(np.float32([2.0, 0.5]), (len(self.looked), 1))
        self.card = ModelCard(
            model_name="toy",
            variables=tuple(
                VariableCard(
                    path=path,
                    layer=path.split("/")[-2] if "/" in path else path,
                    shape=(4, 8) if path.endswith("kernel") else (8,),
                    dtype="float32",
                    initializer="glorot_uniform",
                    activation="sigmoid" if path.startswith("head") else "relu",
                )
                for path in paths
            ),
            optimizer="SGD",
            optimizer_config={"learning_rate": 0.1},
            loss="binary_crossentropy",
            statistics_every=every,
            loss_scaled=True,
            replicas=2,
            replica_names=("chief 0", "worker 0"),
            activations=(
                ActivationCard(layer="first", activation="relu"),
                ActivationCard(layer="middle", activation="tanh"),
            ),
        )
        self.summary = Summary(
            steps=steps,
            constant_loss=0.7,
            epochs=tuple(
                EpochSummary(
                    epoch=i,
                    last_step=i * steps // 6,
                    logs={"loss": 1 - i / 8, "acc": i / 8, "val_loss": 1 - i / 8},
                )
                for i in range(6)
            ),
            clip_scale=SeriesSummary(count=steps, total=float(steps)),
            global_norm=SeriesSummary(count=steps, sketch=Sketch(bins={"0": steps})),
            variables=tuple(
                VariableSummary(
                    path=p, final_weight_nonfinite=0, final_weight_sha256=f"sha256:of {p}"
                )
                for p in paths
            ),
        )
        self.manifest = Manifest(
            training_uid="run-1",
            status="completed",
            instrumented=True,
            planned_steps=steps,
            observed_steps=steps,
            started_at="2026-11-23T05:00:00Z",
            finished_at="2026-11-23T05:30:00Z",
        )

    def replace(self, **fields):
        """Changes fields of the manifest, card or summary, the first that has them."""
        for name, value in fields.items():
            for holder in ("manifest", "card", "summary"):
                document = getattr(self, holder)
                if name in type(document).model_fields:
                    setattr(self, holder, document.model_copy(update={name: value}))
                    break
            else:
                raise KeyError(name)
        return self

    def without_gradient(self, *places):
        """Marks variables as having no gradient."""
        variables = [
            variable.model_copy(update={"has_gradient": place not in places})
            for place, variable in enumerate(self.card.variables)
        ]
        return self.replace(variables=tuple(variables))

    def batches(self, size=1 << 30):
        """Yields the steps in batches of `size`."""
        for start in range(0, len(self.step), size):
            rows = slice(start, start + size)
            of = self.step[rows]
            picked = np.isin(self.sampled, of)
            seen = np.isin(self.looked, of)
            skips, scale = self.loss_scale_skips, self.loss_scale
            yield StepBatch(
                step=of,
                epoch=self.epoch[rows],
                seconds=of * 0.1,
                loss=self.loss[rows],
                global_norm=self.global_norm[rows],
                clipped_norm=self.global_norm[rows] * self.clip_scale[rows],
                clip_scale=self.clip_scale[rows],
                clipped=self.clipped[rows],
                applied=self.applied[rows],
                norms=self.norms[rows],
                statistics=StatisticsBatch(
                    step=self.sampled[picked],
                    **{
                        name: values[picked]
                        for name in SAMPLED[1:]
                        if (values := getattr(self, name)) is not None
                    },
                ),
                loss_scale=None if scale is None else scale[rows],
                loss_scale_skips=None if skips is None else skips[rows],
                replica_loss=self._of_replicas(self.replica_loss, rows),
                replica_norm=self._of_replicas(self.replica_norm, rows),
                activations=ActivationBatch(
                    step=self.looked[seen],
                    zero_fraction=self.dead_fraction[seen],
                    dead_fraction=self.dead_fraction[seen],
                    saturated_fraction=self.saturated_fraction[seen],
                    spread=None if self.spread is None else self.spread[seen],
                )
                if seen.any()
                else None,
            )

    @staticmethod
    def _of_replicas(values, rows):
        return None if values is None else values[rows]

    def keep(self, rows):
        """Leaves out all other steps, without telling the manifest."""
        kept = self.step[rows]
        for names in (SAMPLED, LOOKED):
            picked = np.isin(getattr(self, names[0]), kept)
            self._pick(names, picked)
        of_steps = ("epoch", "loss", "norms", "global_norm", "clip_scale", "clipped", "applied")
        of_some = ("loss_scale", "loss_scale_skips", "replica_loss", "replica_norm")
        self._pick((*of_steps, *of_some, "step"), rows)
        return self

    def _pick(self, names, rows):
        for name in names:
            if getattr(self, name) is not None:
                setattr(self, name, getattr(self, name)[rows])

    def with_data_loss(self):
        """Gives the first kernel an L2 regulariser, whose gradient was taken out."""
        first, *others = self.card.variables
        first = first.model_copy(update={"regularizer": "L2"})
        self.replace(variables=(first, *others), data_loss_gradient=True)
        for name in ("mean_abs", "max_abs", "zero_fraction"):
            setattr(self, f"data_{name}", getattr(self, name).copy())
        self.data_norm = np.full_like(self.mean_abs, 0.5)
        return self

    def evidence(self, size=1 << 30, optimizers=()):
        return Evidence(
            manifest=self.manifest,
            card=self.card,
            summary=self.summary,
            record_digest="sha256:" + "0" * 64,
            batches=lambda: self.batches(size),
            name=self.manifest.optimizer_name,
            optimizers=tuple((name, other.evidence(size)) for name, other in optimizers),
        )


def policy_of(*rules, **fields):
    """A policy of rules, each a dict; `id` counts up where it is missing."""
    document = {
        "apiVersion": "gradgate/v1",
        "kind": "TrainingHealthPolicy",
        "metadata": {"id": "test", "revision": 1, "owner": "tests"},
        "rules": [{"id": f"rule-{i}", **rule} for i, rule in enumerate(rules)],
        **fields,
    }
    return Policy.model_validate_json(json.dumps(document))


def waivers_of(*waivers):
    """Waivers in force at `AS_OF`, each a dict; all but `rule` have a default."""
    plain = {
        "policy": "test",
        "reason": "a known one",
        "owner": "alice",
        "approved_by": "bob",
        "created": "2026-11-01T00:00:00Z",
    }
    ends = (f"2026-12-20T0{i // 2}:00:00Z" for i in range(20))  # two at the same instant
    listed = [
        {"id": f"w-{i}", "expires": end, **plain, **waiver}
        for i, (waiver, end) in enumerate(zip(waivers, ends, strict=False))
    ]
    document = {"apiVersion": "gradgate/v1", "kind": "Waivers", "waivers": listed}
    return Waivers.model_validate_json(json.dumps(document))


def rule_of(signal, fn="sum", op="==", value=0, **fields):
    """A rule as a dict; numbers of the aggregate as a dict in `aggregate`."""
    aggregate = {"fn": fn, **fields.pop("aggregate", {})}
    return {
        "signal": signal,
        "aggregate": aggregate,
        "expect": {"op": op, "value": value},
        **fields,
    }


@dataclasses.dataclass(frozen=True)
class Make:
    """The helpers of this folder in one fixture."""

    Training: type = Training
    policy: object = staticmethod(policy_of)
    rule: object = staticmethod(rule_of)
    waivers: object = staticmethod(waivers_of)
    waiver_ends: str = "2026-12-20T01:00:00Z"
    as_of: str = AS_OF

    def verdict(self, training, *rules, policy=None, size=1 << 30, **options):
        """Judges a training without a model."""
        return judge(
            policy or policy_of(*rules),
            training.evidence(size),
            **{"model": None, "as_of": AS_OF, "training_only": True, **options},
        )

    def finding(self, training, signal, fn="sum", op="==", value=0, **fields):
        """Asks one rule, beside one that passes and blocks, so that it may also warn."""
        blocking = rule_of("step.skipped", "mean", "<=", 1, id="other", min_samples=1)
        asked = rule_of(signal, fn, op, value, **{"id": "asked", **fields})
        verdict = self.verdict(training, asked, blocking)
        return next(finding for finding in verdict.findings if finding.id == "asked")


@pytest.fixture(scope="session")
def make():
    return Make()


@pytest.fixture
def training():
    return Training()


@pytest.fixture(scope="session")
def properties():
    """The properties of `test_properties.py`, by name."""
    path = Path(__file__).with_name("test_properties.py")
    spec = importlib.util.spec_from_file_location("properties_of_the_judge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {check.__name__: check for check in module.PROPERTIES}


@pytest.fixture
def dies_of(monkeypatch):
    """Whether a property finds what is wrong with a judge that a mutation was put into."""

    def dies_of(mutate, check, given_to_it, examples=3000):
        with monkeypatch.context() as patched:
            mutate(patched)

            @settings(max_examples=examples, database=None, phases=[Phase.generate])
            @given(data=st.data())
            def run(data):
                check(given_to_it, data)

            try:
                run()
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # noqa: BLE001 - an assertion, or a group of several
                return True
        return False

    return dies_of


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory):
    """SavedModels really written by TensorFlow: a Keras export, every float type, a tiny one."""
    import keras
    import tensorflow as tf

    root = tmp_path_factory.mktemp("saved_models")

    layers = [
        keras.Input((4,)),
        keras.layers.Dense(8, name="first"),
        keras.layers.Dense(1, name="dense"),
    ]
    network = keras.Sequential(layers, name="net")
    network.compile("adam", "mse")
    network.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    network.export(root / "export", verbose=False)
    kernel = network.trainable_variables[0].numpy()
    kernel[1, :3] = [np.nan, np.inf, -np.inf]
    network.trainable_variables[0].assign(kernel)
    network.export(root / "sick", verbose=False)
    tf.saved_model.save(network, str(root / "with_optimizer"))

    mixed = tf.Module()
    values = [1.0, np.nan, -np.inf, 65504.0, 0.0]
    for name in ("float16", "bfloat16", "float32", "float64"):
        setattr(mixed, name, tf.Variable(tf.constant(values, dtype=name), name=name))
    mixed.empty = tf.Variable(tf.zeros((0, 3)), shape=(None, 3), name="empty")
    mixed.scalar = tf.Variable(np.float32(np.inf), name="scalar")
    mixed.whole = tf.Variable([1, 2, 3], name="whole")
    mixed.large = tf.Variable(tf.zeros((3000, 1000)), name="large")  # more than one stretch
    mixed.large[2999, 999].assign(np.nan)
    tf.saved_model.save(mixed, str(root / "mixed"))

    tiny = tf.Module()
    tiny.v = tf.Variable([1.5, -2.0], name="v")
    tf.saved_model.save(tiny, str(root / "tiny"))
    integers = tf.Module()
    integers.v = tf.Variable([1, 2], name="v")
    tf.saved_model.save(integers, str(root / "integers"))
    tf.saved_model.save(tf.Module(), str(root / "none"))
    return root


@pytest.fixture
def copied(saved_models, tmp_path):
    """A copy of one of `saved_models`, to be damaged."""

    def copy(name):
        shutil.copytree(saved_models / name, tmp_path / name)
        return tmp_path / name

    return copy
