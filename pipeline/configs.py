"""The typed configuration of a run. A file that says something else is an error, with a hint."""

import json
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

from pydantic import (
    Field,
    FiniteFloat,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gradgate.contracts import Contract
from pipeline.config_errors import did_you_mean, explain

HERE = Path(__file__).resolve().parent
CONFIGS = HERE / "configs"
_Positive = Annotated[FiniteFloat, Field(gt=0)]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the file, the field and a remedy."""


class Data(Contract):
    """How the table becomes features.

    Attributes:
        impute_census_tract: Fill the missing pick-up census tracts (15,001 of 15,002) with the
            mean, as every other column's. False feeds them as NaN.
    """

    impute_census_tract: bool = True


class Network(Contract):
    """A multi-layer perceptron with ReLU and one sigmoid output."""

    hidden_units: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(64, 32), min_length=1)
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: _Positive = 0.001


class Texts(Contract):
    """How many reviews are read, and how they become numbers.

    Attributes:
        reviews: How many of the 24,904, two thirds of them to train.
        vocabulary: How many words have a number of their own, the most frequent ones.
        words: How many of each text are read, from its beginning.
    """

    reviews: int = Field(default=9_000, ge=1)
    vocabulary: int = Field(default=5_000, ge=1)
    words: int = Field(default=200, ge=1)


class Recurrent(Contract):
    """An embedding, one LSTM, one hidden ReLU layer, and one sigmoid output.

    Attributes:
        embedding: Width of a word's vector.
        activation: Of the LSTM's candidate and output.
        recurrent_dropout: Dropout on what goes from one word to the next.
        layer_norm: Normalise what goes from one word to the next; not beside `recurrent_dropout`.
        dense: Units of the hidden layer.
    """

    embedding: int = Field(default=32, ge=1)
    units: int = Field(default=32, ge=1)
    activation: Literal["tanh", "relu"] = "tanh"
    recurrent_dropout: FiniteFloat = Field(default=0.0, ge=0, lt=1)
    layer_norm: bool = False
    dense: int = Field(default=16, ge=1)
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: _Positive = 0.001

    @model_validator(mode="after")
    def _one_of_both(self) -> "Recurrent":
        if self.layer_norm and self.recurrent_dropout > 0:
            raise ValueError("layer_norm takes the place of recurrent_dropout; leave one out")
        return self


class Training(Contract):
    """How long and in which order. The seed sets Python, NumPy and TensorFlow."""

    batch_size: int = Field(default=128, ge=1)
    epochs: int = Field(default=10, ge=1)
    steps_per_epoch: int = Field(default=80, ge=1)
    seed: int = Field(default=7, ge=0)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return self.epochs * self.steps_per_epoch


class Clip(Contract):
    """What gradients are clipped by: their global norm, each variable's norm, or their values."""

    by: Literal["global_norm", "norm", "value"]
    limit: _Positive


class Guard(Contract):
    """How the training is guarded.

    Attributes:
        clip: None clips nothing.
        on_nonfinite: `record` applies a non-finite step as Keras would, `skip` does not apply
            it, `stop` ends the training there.
        statistics_every: Steps between two rows of full statistics.
    """

    clip: Clip | None = None
    on_nonfinite: Literal["record", "skip", "stop"] = "record"
    statistics_every: int = Field(default=50, ge=1)


class Evaluation(Contract):
    """What the Evaluator asks of a model's quality. Whether it was trained soundly, it cannot see.

    Attributes:
        min_accuracy: Least accuracy on the eval split. Three quarters is a floor as teams write
            it; always answering "no" reaches 0.775 here, so a floor alone passes that too.
        max_accuracy_drop: How far below the last blessed model; None compares with none. It says
            nothing about a first model, which has none before it.
    """

    min_accuracy: FiniteFloat = Field(default=0.75, ge=0, le=1)
    max_accuracy_drop: FiniteFloat | None = Field(default=None, ge=0, le=1)


class Config(Contract):
    """One run of the pipeline on the Chicago taxi table; another example has a class of its own.

    Attributes:
        example: Which table, and the code that learns from it.
        name: Names the run; the file's name without its ending.
        policy: The gate's policy, relative to `pipeline/`.
        waivers: The waivers of that policy, relative to `pipeline/`; None for none.
        push_to: The folder that the model server watches, relative to the workspace.
    """

    example: Literal["chicago-taxi"] = "chicago-taxi"
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    description: str = Field(min_length=1)
    data: Data = Data()
    model: Network = Network()
    training: Training = Training()
    guard: Guard = Guard()
    evaluation: Evaluation = Evaluation()
    policy: str = "policies/default.yaml"
    waivers: str | None = None
    push_to: str = "serving/chicago_taxi"

    @field_validator("push_to")
    @classmethod
    def _inside(cls, folder: str) -> str:
        path = PurePosixPath(folder)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"{folder!r} leads out of the workspace; name a folder inside it")
        return folder

    @property
    def policy_file(self) -> Path:
        """Where the policy lies."""
        return HERE / self.policy

    @property
    def waivers_file(self) -> Path | None:
        """Where the waivers lie; None where there are none."""
        return None if self.waivers is None else HERE / self.waivers


class ReviewsConfig(Config):
    """One run of the pipeline on the reviews of films."""

    example: Literal["movie-reviews"]
    data: Texts = Texts()
    model: Recurrent = Recurrent()
    push_to: str = "serving/movie_reviews"


_KINDS: Final = {"chicago-taxi": Config, "movie-reviews": ReviewsConfig}


def available() -> tuple[str, ...]:
    """The ready-made configurations, by name."""
    return tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml")))


def load(name: str) -> Config:
    """Reads a ready-made configuration by its name, or another one by its path.

    Raises:
        ConfigError: If there is none, or it is not one.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else CONFIGS / f"{name}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"there is no configuration {name!r}{did_you_mean(name, available())} Ready-made are"
            f" {', '.join(available())}; or give the path of a YAML file."
        ) from error
    return parse(text, source=str(path))


def parse(text: str, *, source: str) -> Config:
    """Reads a configuration from YAML text; `source` names it in messages."""
    kind = Config
    try:
        document = YAML(typ="safe", pure=True).load(text)
        if not isinstance(document, dict):
            got = type(document).__name__
            raise TypeError(f"a configuration is a mapping of fields, got {got}.")
        kind = _kind(document.get("example", "chicago-taxi"))
        return kind.model_validate_json(json.dumps(document, allow_nan=False))
    except ValidationError as error:
        # What is unknown comes first: it is likely what then is missing elsewhere.
        entries = sorted(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
        raise ConfigError("\n".join(explain(kind, source, entry) for entry in entries)) from error
    except (YAMLError, TypeError, ValueError) as error:
        raise ConfigError(f"{source}: {error}") from error


def _kind(example: object) -> type[Config]:
    if example not in _KINDS:
        raise ValueError(f"there is no example {example!r}. Ready-made are {', '.join(_KINDS)}.")
    return _KINDS[str(example)]
