"""`gradgate ui`: MLflow's pages on what was trained here, or the link to those of a server."""

import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.formats import Listing
from gradgate.cli.store import STORE, find_store, server_or_store
from gradgate.telemetry.sinks.mlflow_links import experiment_link, without_user
from gradgate.telemetry.sinks.mlflow_place import embedded_uri
from gradgate.telemetry.sinks.mlflow_secrets import scrub
from gradgate.telemetry.sinks.mlflow_serve import ServeError, experiments, serve


def ui(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder with an mlflow.db, or with mlflow/mlflow.db in it, such as a workspace or"
            " TFX's pipeline root. Default: what MLFLOW_TRACKING_URI names, else ./workspace,"
            " ./mlflow or here."
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="On 127.0.0.1; 0 takes one that is free.")
    ] = 5000,
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Open MLflow's pages, and say their address.

    On a store without a server it starts one, on this machine only, and ends it with Ctrl-C. Where
    MLFLOW_TRACKING_URI names a server, it says where that one's pages are. Exits with 12 if nothing
    was tracked yet.

    [bold]Examples[/bold]

    gradgate ui

    gradgate ui /pipelines/taxi --port 5001
    """
    raise typer.Exit(show(folder, port, output_format))


def show(folder: Path | None, port: int, output_format: Listing = Listing.text) -> int:
    """Shows the pages of a store until it is interrupted; returns the exit status.

    Args:
        folder: Of the store; None is the store that MLFLOW_TRACKING_URI names, else a usual place.
        port: On the loopback interface; 0 takes one that is free.
        output_format: Of the links.
    """

    def say(address: str) -> None:
        typer.echo(_links(address, experiments(address), output_format))

    uri = server_or_store() if folder is None else ""
    if urlsplit(uri).scheme in {"http", "https"}:
        typer.echo(_links(without_user(uri), experiments(uri), output_format))
        return Exit.OK
    if importlib.util.find_spec("mlflow") is None:
        refuse("cannot show: MLflow is not installed; gradgate[mlflow] brings it.", Exit.USAGE)
    if uri:
        place = Path(tempfile.mkdtemp(prefix="gradgate-ui-"))  # for what the server says
    else:
        place = find_store(folder) or _nothing(folder)
        uri = embedded_uri(place)
    log = place / "ui.log"
    typer.echo(f"Starting MLflow; what it says goes to {log}. Stop it with Ctrl-C.", err=True)
    try:
        return serve(uri, place / "artifacts", port=port, log=log, on_ready=say)
    except ServeError as error:
        refuse(f"cannot show: {error}", Exit.USAGE)


def _nothing(folder: Path | None) -> NoReturn:
    where = "here" if folder is None else f"in {folder}"
    refuse(
        f"cannot show: nothing was tracked {where}, there is no {STORE}. Train something first,"
        " such as by make demo, or name the folder.",
        Exit.CANNOT_JUDGE,
    )


def _links(address: str, found: list[tuple[str, str]], output_format: Listing) -> str:
    """The links: of each experiment, or of the page that lists them."""
    links = {scrub(name): experiment_link(address, number) for number, name in found}
    everything = experiment_link(address)
    if output_format is Listing.json:
        return json.dumps({"address": address, "all": everything, "experiments": links})
    if not links:
        return f"MLflow: {everything}"
    return "\n".join(f"MLflow, {name}: {link}" for name, link in links.items())
