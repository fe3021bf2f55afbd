"""`gradgate verify`: whether a verdict blesses the very bytes of a model, as the Pusher asks."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gradgate.cli.exits import Exit
from gradgate.cli.formats import Listing
from gradgate.gate.read_verdict import VerdictError, read_verdict
from gradgate.gate.render.clean import clean_text
from gradgate.gate.verify import RefusedError, verify_model
from gradgate.signing import SigningError, read_envelope, verify_verdict


def verify(
    model: Annotated[Path, typer.Option(help="The SavedModel directory that would be served.")],
    verdict: Annotated[
        Path, typer.Option(help="The verdict.json, or the directory that holds it.")
    ],
    key: Annotated[
        list[Path] | None,
        typer.Option(help="PEM file of a public key that may sign; one of them must have."),
    ] = None,
    output_format: Annotated[
        Listing, typer.Option("--format", help="What is written to standard output.")
    ] = Listing.text,
) -> None:
    """Verify that a verdict blesses a model, byte for byte. Changes nothing.

    Asks what the VerifyingPusher asks: the verdict is whole and its id fits its content; it says
    yes, and so does all that it rests on; the model has its digest, file by file. Exits with 0 if
    all of it holds and with 14 if any of it does not. It reads no record and asks no rule.

    [bold]Examples[/bold]

    gradgate verify --model serving/taxi/1795432625 --verdict artifacts/GradientGate/verdict/7

    gradgate verify --model exported --verdict verdict.json --format json

    gradgate verify --model exported --verdict verdict.json --key gate.pub.pem
    """
    answer: dict[str, Any] = {"verified": False, "reason": "", "differing_files": []}
    try:
        document = read_verdict(verdict)
        answer |= {
            "verdict_id": document.verdict_id,
            "model_digest": document.subject.model_digest,
        }
        if key:
            trusted = [_text_of(path) for path in key]
            folder = verdict if verdict.is_dir() else verdict.parent
            answer["signed_by"] = verify_verdict(document, read_envelope(folder), trusted)
        found = verify_model(model, document)
    except (VerdictError, SigningError) as error:
        answer["reason"] = str(error)
    except RefusedError as refusal:
        answer |= {"reason": str(refusal), "differing_files": list(refusal.differing_files)}
    else:
        files = f"{len(found.files)} file{'' if len(found.files) == 1 else 's'}"
        answer |= {"verified": True, "reason": f"{files}, as judged: {document.headline}"}
    if output_format is Listing.json:
        typer.echo(json.dumps(answer, indent=2))
    else:
        typer.echo(_text(answer))
    raise typer.Exit(Exit.OK if answer["verified"] else Exit.NOT_VERIFIED)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SigningError("K-VERIFY", f"the key {path} cannot be read: {error}") from error


def _text(answer: dict[str, Any]) -> str:
    lines = [f"{'verified' if answer['verified'] else 'not verified'}: {answer['reason']}"]
    if answer["verified"]:
        lines += [f"  model    {answer['model_digest']}", f"  verdict  {answer['verdict_id']}"]
    lines += [f"  {file}" for file in answer["differing_files"]]
    return "\n".join(clean_text(line) for line in lines)
