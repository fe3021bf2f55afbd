"""`gradgate policy`: policies are code, so they are linted, compared and tested like code."""

import typer

from gradgate.cli.policy.diff import diff
from gradgate.cli.policy.lint import lint
from gradgate.cli.policy.run_fixtures import run_fixtures
from gradgate.cli.policy.schema import schema

app = typer.Typer(
    name="policy",
    help="Write policies as code: lint, compare, test them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.command()(lint)
app.command()(schema)
app.command()(diff)
app.command("test")(run_fixtures)
