"""The effectful edge of the Trainer: runs `run_fn`, and finishes the record whatever happens.

What is written, in this order: the model by `run_fn`; the training's uid into the model; the
record, with the digest of the model. So each names the other, and neither can be exchanged alone.

With TF_CONFIG in its environment it is one of several processes that train together, each started
with the same arguments. The chief does as above; the others leave nothing at the places of the
outputs, which are the chief's.
"""

import copy
import json
import logging
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

from tfx.components.trainer.executor import GenericExecutor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as stock
from tfx.types.artifact import Artifact
from tfx.utils import path_utils

from gradgate.contracts import Tracking
from gradgate.tfx.trainer.data_sources import data_sources
from gradgate.tfx.trainer.mirrors import mirrors
from gradgate.tfx.trainer.task import is_chief
from gradgate.training import GuardSettings, TrainingContext

GUARD, TRACKING, CODE, HEALTH = "guard", "tracking", "code_version", "gradient_health"
_Artifacts = dict[str, list[Artifact]]
_log = logging.getLogger(__name__)


class Executor(GenericExecutor):
    """TFX's executor, with a `TrainingContext` at `fn_args.gradgate`."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: _Artifacts,
        output_dict: _Artifacts,
        exec_properties: dict[str, Any],
    ) -> None:
        """Trains, and finishes the record; as a worker of several, helps to train.

        Raises:
            ValueError: If TF_CONFIG is not as TensorFlow has it.
            Exception: What `run_fn` raised. TFX then deletes the outputs of this execution; the
                record is kept in its stateful working directory, which a log line names.
        """
        if is_chief():
            self._train(input_dict, output_dict, exec_properties)
        else:
            self._help(input_dict, output_dict, exec_properties)

    def _train(
        self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        record_dir = Path(artifact_utils.get_single_uri(output_dict[HEALTH]))
        self._training = TrainingContext(
            record_dir,
            GuardSettings.from_config(json.loads(exec_properties[GUARD])),
            uuid.uuid4().hex,
            sinks=mirrors(
                Tracking.model_validate_json(exec_properties[TRACKING]),
                record=record_dir,
                model_run=Path(artifact_utils.get_single_uri(output_dict[stock.MODEL_RUN_KEY])),
            ),
            data=data_sources(input_dict),
        )
        try:
            super().Do(input_dict, output_dict, exec_properties)
            model_dir = Path(
                path_utils.serving_model_dir(
                    artifact_utils.get_single_uri(output_dict[stock.MODEL_KEY])
                )
            )
            self._plan()
            manifest = self._training.finish("completed", model_dir=model_dir)
        except BaseException as error:
            self._fail(error, record_dir)
            raise
        assert manifest is not None, "this process writes the record"
        health = artifact_utils.get_single_instance(output_dict[HEALTH])
        health.set_string_custom_property("training_uid", manifest.training_uid)
        health.set_string_custom_property("status", manifest.status)
        health.set_int_custom_property("observed_steps", manifest.observed_steps)

    def _help(
        self, input_dict: _Artifacts, output_dict: _Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Runs `run_fn` with folders of its own for all that it writes, which go when it is over.

        All processes save, as TensorFlow asks for: some variables are summed for it.
        """
        with tempfile.TemporaryDirectory(prefix="gradgate-worker-") as scratch:
            outputs = copy.deepcopy(output_dict)
            for name, artifacts in outputs.items():
                for number, artifact in enumerate(artifacts):
                    artifact.uri = f"{scratch}/{name}-{number}"
                    Path(artifact.uri).mkdir()
            self._training = TrainingContext(
                artifact_utils.get_single_uri(outputs[HEALTH]),
                GuardSettings.from_config(json.loads(exec_properties[GUARD])),
                uuid.uuid4().hex,
                is_writer=False,
            )
            try:
                super().Do(input_dict, outputs, exec_properties)
                self._training.finish("completed")
            except BaseException as error:
                self._training.finish("failed", f"{type(error).__name__}: {error}")
                raise

    def _GetFnArgs(  # noqa: N802 - TFX's name
        self,
        input_dict: _Artifacts,
        output_dict: _Artifacts,
        exec_properties: dict[str, Any],
    ) -> FnArgs:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        self._train_steps = fn_args.train_steps
        fn_args.gradgate = self._training
        return fn_args

    def _plan(self) -> None:
        """Lets `train_steps` be the plan of a hand-written loop; a `fit` says better itself.

        `EarlyStopping` may end a fit early, and what `run_fn` makes of `train_steps` is its own
        affair: some count an epoch by it.
        """
        guard = self._training.guard
        if guard is not None and self._train_steps:
            guard.plan_unless_known(self._train_steps)

    def _fail(self, error: BaseException, record_dir: Path) -> None:
        """Finishes the record of a training that raised, and copies it to where TFX leaves it."""
        kept = self._context.stateful_working_dir if self._context else None
        try:
            self._training.finish("failed", f"{type(error).__name__}: {error}")
            if kept:
                target = Path(kept) / f"gradient_health-{self._training.training_uid}"
                shutil.copytree(record_dir, target)
                _log.error("gradgate: the training failed; its record is kept in %s", target)
        except Exception:  # noqa: BLE001 - the error of the training itself is the one to raise
            _log.exception("gradgate: the record of the failed training could not be kept")
