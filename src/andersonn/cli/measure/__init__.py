"""``andersonn measure``: side-by-side measurements."""

from __future__ import annotations

import typer

from andersonn.cli.measure import carbon, inference, memory, solvers, training

HELP = "Measure side by side, on this machine: solvers, and what they are worth on your own task and model."

app = typer.Typer(help=HELP, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
app.command("solvers", help=solvers.HELP)(solvers.solvers)
app.command("inference", help=inference.HELP)(inference.inference)
app.command("training", help=training.HELP)(training.training)
app.command("memory", help=memory.HELP)(memory.memory)
app.command("carbon", help=carbon.HELP)(carbon.carbon)
