"""`gradgate policy schema`: what an editor completes and checks a policy by."""

import typer

from gradgate.gate.schemas import schema_files


def schema() -> None:
    """Print the JSON Schema of policies, with every signal that there is.

    [bold]Example[/bold]

    gradgate policy schema > policy.schema.json

    Then begin a policy with this line, and an editor with the YAML language server knows it:

    # yaml-language-server: $schema=policy.schema.json
    """
    typer.echo(schema_files()["policy.schema.json"], nl=False)
