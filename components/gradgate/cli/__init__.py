"""`gradgate`: judge trainings, explain and verify verdicts, without TensorFlow, TFX or MLflow."""

import typer

import gradgate
from gradgate.cli.baseline import app as baseline
from gradgate.cli.check import check
from gradgate.cli.drift import drift
from gradgate.cli.explain import explain
from gradgate.cli.lint import lint
from gradgate.cli.lint_pipeline import lint_pipeline
from gradgate.cli.plots import plots
from gradgate.cli.policy import app as policy
from gradgate.cli.replay import replay
from gradgate.cli.replay_step import replay_step
from gradgate.cli.sync import sync
from gradgate.cli.ui import ui
from gradgate.cli.verify import verify

_HELP = """Keeps models whose training was numerically unhealthy from being pushed, and says why.

[bold]Exit status[/bold]

   0  ok: the model may be pushed (warnings may have been given)\n
  10  blocked by the policy; lint: an error; lint-pipeline: it could push what was not judged\n
  11  warnings, and --fail-on-warn was given\n
   12  cannot judge: record, model or baseline missing, cut off, altered, or not fit;\n
       sync: not all is sent\n
  13  the policy, or its waivers, missing or wrong, or not the pinned one; or it fails its tests\n
  14  verify: the verdict does not bless these bytes\n
  15  drift: what is served, or the alias, is not what was pushed last\n
   1  gradgate itself failed; 2: wrong usage. Never push on anything but 0.
"""

app = typer.Typer(
    name="gradgate",
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(check)
app.command()(explain)
app.command()(plots)
app.command()(verify)
app.command()(drift)
app.add_typer(policy)
app.add_typer(baseline)
app.command()(replay)
app.command()(replay_step)
app.command()(lint)
app.command()(lint_pipeline)
app.command()(sync)
app.command()(ui)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gradgate {gradgate.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    pass


def main() -> None:
    """Runs the command line."""
    app()
