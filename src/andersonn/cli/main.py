"""``andersonn VERB``: the program's entry."""

from __future__ import annotations

import sys

import typer

from andersonn import __version__
from andersonn.cli import (
    card,
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
from andersonn.errors import AndersonnError, InputError

app = typer.Typer(
    help="Artificial life and materials scientists on equilibrium networks, solved by Anderson extrapolation.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo", help=demo.HELP)(demo.demo)
app.command("train", help=train.HELP)(train.train)
app.command("predict", help=predict.HELP)(predict.predict)
app.command("evaluate", help=evaluate.HELP)(evaluate.evaluate)
app.command("screen", help=screen.HELP)(screen.screen)
app.command("explain", help=explain.HELP)(explain.explain)
app.command("draw", help=draw.HELP)(draw.draw)
app.command("card", help=card.HELP)(card.card)
app.command("doctor", help=doctor.HELP)(doctor.doctor)
app.command("serve", help=serve.HELP)(serve.serve)
app.add_typer(measure.app, name="measure")
app.add_typer(label.app, name="label")
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"andersonn {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Runs the program; errors a user can cause end in one line, with exit status 1 for a bad input and 2 for a wrong
    call; what the machine lacks (disk, memory) and unexpected errors in one line too, with exit status 1, the latter with
    the traceback in a log file.
    """
    try:
        app()
    except InputError as error:
        _tell(error)
        sys.exit(1)
    except AndersonnError as error:
        _tell(error)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away, as in `… | head`
        sys.exit(1)
    except Exception as error:
        from andersonn.cli.mishap import of_machine, tell

        lacking = of_machine(error)
        if lacking:
            _tell(lacking)
        else:
            typer.echo(tell(error), err=True)
        sys.exit(1)


def _tell(error: AndersonnError) -> None:
    typer.echo(f"error: {error.message}" + (f" ({error.hint})" if error.hint else ""), err=True)


if __name__ == "__main__":
    main()
