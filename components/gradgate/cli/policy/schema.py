"""`gradgate policy schema`: what an editor completes and checks a policy, or waivers, by."""

from enum import Enum
from typing import Annotated

import typer

from gradgate.gate.schemas import schema_files


class Written(str, Enum):
    """What people write."""

    policy = "policy"
    waivers = "waivers"


def schema(
    of: Annotated[Written, typer.Argument(help="Of what.")] = Written.policy,
) -> None:
    """Print the JSON Schema of policies, with every signal that there is, or of waivers.

    [bold]Examples[/bold]

    gradgate policy schema > policy.schema.json

    gradgate policy schema waivers > waivers.schema.json

    Then begin a policy with this line, and an editor with the YAML language server knows it:

    # yaml-language-server: $schema=policy.schema.json
    """
    typer.echo(schema_files()[f"{of.value}.schema.json"], nl=False)
