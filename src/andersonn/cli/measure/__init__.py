"""``andersonn measure``: side-by-side measurements."""

from __future__ import annotations

import typer

from andersonn.cli.measure import carbon, inference, memory, solvers, training
from andersonn.cli.task_list import Verb, Verbs

HELP = "Measure side by side, on this machine: solvers, and what they are worth on your own task and model."

app = typer.Typer(cls=Verbs, help=HELP, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
app.command("solvers", cls=Verb, help=solvers.HELP)(solvers.solvers)
app.command("inference", cls=Verb, help=inference.HELP)(inference.inference)
app.command("training", cls=Verb, help=training.HELP)(training.training)
app.command("memory", cls=Verb, help=memory.HELP)(memory.memory)
app.command("carbon", cls=Verb, help=carbon.HELP)(carbon.carbon)
