"""The data of a training as MLflow's dataset inputs, named by the digests in its record."""

import json

from mlflow.entities import Dataset, DatasetInput, InputTag

from gradgate.contracts import DataSource, Manifest
from gradgate.telemetry.sinks.mlflow_secrets import scrub

_DIGEST_LENGTH = 36  # all that MLflow keeps; the whole digest is in the profile and a parameter
_CONTEXTS = {"train": "training", "eval": "evaluation"}


def dataset_inputs(manifest: Manifest, record: str) -> list[DatasetInput]:
    """Returns one input for each source of data that the record names.

    Args:
        manifest: Of the record.
        record: Its address, which is given as the source: the record knows digests, not places.
    """
    return [
        DatasetInput(
            dataset=Dataset(
                name=scrub(source.name)[:500],
                digest=source.digest.partition(":")[2][:_DIGEST_LENGTH] or source.digest,
                source_type="gradgate_record",
                source=json.dumps({"uri": scrub(record)}),
                profile=json.dumps({"digest": source.digest}),
            ),
            tags=[InputTag(key="mlflow.data.context", value=_context(source))],
        )
        for source in manifest.data
    ]


def _context(source: DataSource) -> str:
    """What the data was for, by the name of its split."""
    split = source.name.split(" ")[0].rpartition("/")[2]
    return _CONTEXTS.get(split, split)
