"""`gradgate drift`: whether what is served, and what the alias names, is what was pushed last."""

import importlib.util
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Listing
from gradgate.cli.store import find_store, server_or_store
from gradgate.contracts import TreeError, bind_tree
from gradgate.gate.render.clean import clean_text
from gradgate.tfx.pusher.serving_folder import ServingFolder

_Found = dict[str, Any]


def drift(
    model: Annotated[
        str | None, typer.Option(help="Name of the registered model in MLflow.")
    ] = None,
    serving: Annotated[
        Path | None, typer.Option(help="The folder that the model server watches.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            help="Folder with an mlflow.db, or with mlflow/mlflow.db in it. Default: what"
            " MLFLOW_TRACKING_URI names, else ./workspace, ./mlflow or here."
        ),
    ] = None,
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Say whether served model and alias are what was pushed last. Changes nothing.

    Compares the newest version in the serving folder, byte by byte, and the alias `champion` in
    MLflow, with the last verified push. Give --serving, --model or both. Exits with 0 if they
    agree, with 15 if any differs, and with 12 if they cannot be compared.

    [bold]Examples[/bold]

    gradgate drift --model taxi --serving serving/taxi

    gradgate drift --serving serving/taxi --format json
    """
    if model is None and serving is None:
        refuse("cannot compare: give --serving, --model or both", Exit.USAGE)
    answer: _Found = {"drifted": False, "differences": []}
    if serving is not None:
        answer |= _in_folder(serving)
    if model is not None:
        answer |= _in_registry(model, store, pushed=answer.get("pushed"))
    differences = _differences(answer, model)
    answer |= {"drifted": bool(differences), "differences": differences}
    typer.echo(json.dumps(answer, indent=2) if output_format is Listing.json else _text(answer))
    raise typer.Exit(Exit.DRIFTED if differences else Exit.OK)


def _in_folder(serving: Path) -> _Found:
    """What is served there, and what was pushed there last."""
    folder = ServingFolder(serving)
    pushed = folder.last_push()
    if pushed is None:
        refuse(
            f"cannot compare: nothing was ever pushed to {serving} by a VerifyingPusher.",
            Exit.CANNOT_JUDGE,
        )
    seen: _Found = {"version": str(pushed["version"]), "digest": pushed["model_digest"]}
    versions = folder.versions()
    if not versions:
        return {"pushed": seen, "served": None}
    try:
        digest = bind_tree(serving / str(versions[-1])).digest
    except (TreeError, OSError) as error:
        digest = f"none: {error}"
    return {"pushed": seen, "served": {"version": str(versions[-1]), "digest": digest}}


def _in_registry(model: str, store: Path | None, *, pushed: _Found | None) -> _Found:
    """Where the alias stands; what was pushed last according to MLflow, if no folder says it."""
    if importlib.util.find_spec("mlflow") is None:
        refuse("cannot compare: MLflow is not installed; gradgate[mlflow] brings it.", Exit.USAGE)
    folder = find_store(store)
    if folder is None and not server_or_store():
        where = "in the usual places" if store is None else f"in {store}"
        refuse(
            f"cannot compare: there is no MLflow store {where}. Name its folder by --store, or its"
            " server by MLFLOW_TRACKING_URI.",
            Exit.CANNOT_JUDGE,
        )
    from gradgate.telemetry.sinks.mlflow_drift import RegistryError, ask_registry

    try:
        found = ask_registry(model, folder or Path())
    except RegistryError as error:
        refuse(f"cannot compare: MLflow says of {model}: {error}", Exit.CANNOT_JUDGE)
    last = pushed or (found.pushed and vars(found.pushed))
    if last is None:
        refuse(f"cannot compare: gradgate never pushed {model}.", Exit.CANNOT_JUDGE)
    return {"pushed": last, "alias": found.alias and vars(found.alias)}


def _differences(answer: _Found, model: str | None) -> list[str]:
    pushed, said = answer["pushed"], []
    if "served" in answer:
        served = answer["served"]
        if served is None:
            said.append(f"nothing is served; version {pushed['version']} was pushed last")
        elif served["version"] != pushed["version"]:
            said.append(
                f"version {served['version']} is served; version {pushed['version']} was pushed"
                " last"
            )
        elif served["digest"] != pushed["digest"]:
            said.append(
                f"version {served['version']} was changed after it was pushed: it is now"
                f" {served['digest']}, and was {pushed['digest']}"
            )
    if "alias" in answer:
        alias = answer["alias"]
        if alias is None:
            said.append(f"{model} has no alias champion; what was pushed last should have it")
        elif alias["digest"] != pushed["digest"]:
            said.append(
                f"champion of {model} is version {alias['version']} ({alias['digest']}), which is"
                f" not what was pushed last ({pushed['digest']})"
            )
    return said


def _text(answer: _Found) -> str:
    pushed = answer["pushed"]
    head = "drifted" if answer["drifted"] else "as pushed"
    lines = [f"{head}: version {pushed['version']}, {pushed['digest']}"]
    lines += [f"  {difference}" for difference in answer["differences"]]
    return "\n".join(clean_text(line) for line in lines)
