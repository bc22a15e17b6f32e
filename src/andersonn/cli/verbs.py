"""``andersonn VERB``: the verbs."""

from __future__ import annotations

from typing import Any

import typer

from andersonn.cli import (
    card,
    construct,
    data,
    demo,
    doctor,
    draw,
    evaluate,
    explain,
    label,
    measure,
    predict,
    screen,
    serve,
    train,
)
from andersonn.cli.task_list import TASKS, Verb, Verbs
from andersonn.version import __version__


class Program(Verbs):
    """All verbs. typer would take any broken pipe for a reader of the output that went away, and end without a word."""

    def invoke(self, ctx: Any) -> Any:  # noqa: D102
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:  # of a worker or a connection: those of the output never come here
            raise ConnectionError(f"a process or connection ended too early: {error}") from error


ABOUT = "Artificial life and materials scientists on equilibrium networks, solved by Anderson extrapolation."
EXAMPLES = """Examples: andersonn predict polarity --smiles CCO; andersonn predict conduction structures/;
andersonn explain porosity mof-5.cif --out mof-5.png; andersonn serve"""
app = typer.Typer(
    cls=Program,
    help=f"{ABOUT}\n\nTasks:\n{TASKS}\n\n{EXAMPLES}",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("predict", cls=Verb, help=predict.HELP)(predict.predict)
app.command("explain", cls=Verb, help=explain.HELP)(explain.explain)
app.command("draw", cls=Verb, help=draw.HELP)(draw.draw)
app.command("screen", cls=Verb, help=screen.HELP)(screen.screen)
app.command("construct", cls=Verb, help=construct.HELP)(construct.construct)
app.command("train", cls=Verb, help=train.HELP)(train.train)
app.command("evaluate", cls=Verb, help=evaluate.HELP)(evaluate.evaluate)
app.command("card", cls=Verb, help=card.HELP)(card.card)
app.command("serve", cls=Verb, help=serve.HELP)(serve.serve)
app.command("doctor", cls=Verb, help=doctor.HELP)(doctor.doctor)
app.command("demo", cls=Verb, help=demo.HELP)(demo.demo)
app.add_typer(measure.app, name="measure")
app.add_typer(label.app, name="label")
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"andersonn {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass
