"""``andersonn serve``."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from andersonn.cli.console import warn

if TYPE_CHECKING:
    import uvicorn

    from andersonn.web.constructions import Constructions
    from andersonn.web.lab import Lab
    from andersonn.web.limits import Limits

HELP = """The web lab: drop a structure and see class, probabilities, graph image, explanation and convergence.

Serves pages and a JSON API on this machine until interrupted; nothing is sent elsewhere. Needs the extra `web`. With
another --host it can be reached by everyone in the network: there are no accounts. The page Construct makes scientists of
tables; where others can reach the server, only with --allow-construct.

Example: andersonn serve --port 8080"""
NEEDED = ("fastapi", "uvicorn", "python_multipart", "markdown_it")


def serve(
    port: int = typer.Option(8000, min=0, max=65535, help="TCP port; 0 chooses a free one."),
    host: str = typer.Option("127.0.0.1", metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all."),
    model: list[Path] | None = typer.Option(
        None, help="Folder of a trained model, beside the others or in place of that of its task; may be repeated."
    ),
    megabytes: float = typer.Option(32.0, help="Maximum size of one request."),
    files: int = typer.Option(1000, help="Most inputs of one request."),
    structures: int = typer.Option(10_000, help="Most structures of one request."),
    atoms: int = typer.Option(2000, help="Most atoms of one structure."),
    read_seconds: float = typer.Option(20.0, help="Most time for reading one input."),
    work_seconds: float = typer.Option(60.0, help="Most time for one explanation."),
    waiting: int = typer.Option(256, help="Requests at a time, a list being one; more are refused with status 429."),
    working: int = typer.Option(16, help="Explanations at a time; more are refused with status 429."),
    readers: int = typer.Option(2, help="Processes that read; lists have as many of their own."),
    connections: int = typer.Option(256, help="Open connections at a time."),
    head_seconds: float = typer.Option(10.0, help="Maximum time for the head of a request."),
    table_rows: int = typer.Option(50_000, help="Most rows of a table for a construction."),
    construct_minutes: float = typer.Option(120.0, help="Most time for a construction."),
    constructed: Path | None = typer.Option(
        None,
        metavar="DIR",
        help="Folder for scientists that are constructed on the page; default one that is removed at the end.",
    ),
    allow_construct: bool = typer.Option(
        False,
        "--allow-construct",
        help="Others than this machine may construct scientists too, if they can reach the server.",
    ),
    allowed_host: list[str] | None = typer.Option(
        None, metavar="NAME", help="Another host name to accept, such as that of a proxy; may be repeated."
    ),
) -> None:
    """Serves until interrupted."""
    require_installed()
    from andersonn.web.limits import Limits  # imported here: every command imports this file

    limits = Limits(
        megabytes, files, structures, atoms, read_seconds, work_seconds, waiting, working, readers, connections, head_seconds,
        table_rows, construct_minutes,
    )  # fmt: skip
    serve_models(model or [], limits, host, port, allowed_host or [], constructed, allow_construct)


def serve_models(
    models: list[Path],
    limits: Limits | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    names: list[str] | None = None,
    constructed: Path | None = None,
    allow_construct: bool = False,
) -> None:
    """Serves these models beside the shipped ones until interrupted; arguments as the options of ``andersonn serve``."""
    import asyncio

    from andersonn.web.constructions import Constructions, is_private
    from andersonn.web.lab import Lab
    from andersonn.web.limits import Limits

    names = names or []
    lab = Lab(limits or Limits(), models)
    constructions = Constructions(lab, constructed, allow_construct or is_private(host, names))
    server = _Server.of(lab, host, port, names, constructions)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn stops in peace, then raises the signal again
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve_until_stopped())


def require_installed() -> None:
    """Checks for the extra ``web``.

    Raises:
        UsageError: it is not installed.
    """
    from andersonn.errors import UsageError
    from andersonn.io.installed import how_to_install

    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError("not_installed", f"{missing[0]} is not installed", how_to_install("web"))


class _Server:
    """uvicorn around a laboratory; ends with an error when the models cannot be loaded."""

    def __init__(self, lab: Lab, server: uvicorn.Server) -> None:
        self.lab, self.server = lab, server

    @classmethod
    def of(cls, lab: Lab, host: str, port: int, allowed: list[str], constructions: Constructions) -> _Server:
        import uvicorn

        from andersonn.web.app import make_app
        from andersonn.web.connections import protocol_of

        config = uvicorn.Config(
            make_app(lab, host, allowed, constructions), host, port, log_level="warning", access_log=False, timeout_graceful_shutdown=15,
            timeout_keep_alive=15, h11_max_incomplete_event_size=64 * 1024, server_header=False, ws="none",
            http=protocol_of(lab.limits), proxy_headers=False,
        )  # fmt: skip
        return cls(lab, uvicorn.Server(config))

    async def serve_until_stopped(self) -> None:
        """Serves.

        Raises:
            AndersonnError: the models cannot be loaded, or the address cannot be listened on.
        """
        import asyncio

        from andersonn.errors import UsageError
        from andersonn.web.doors import addresses

        serving = asyncio.create_task(self._serve())
        while not self.server.started and not serving.done():
            await asyncio.sleep(0.02)
        if not self.server.started:
            await serving
            raise UsageError("no_address", "cannot listen there", "choose another --port or --host")
        port = self.server.servers[0].sockets[0].getsockname()[1]
        warn(f"web lab on {' and '.join(addresses(self.server.config.host, port))} (Ctrl-C ends it)")
        failure = None
        try:
            await self.lab.ready()
            for row in self.lab.unavailable:
                warn(f"not served: {row['message']} ({row['hint']})")
        except asyncio.CancelledError:
            pass
        except Exception as error:
            failure, self.server.should_exit = error, True
        await serving
        if failure is not None:
            raise failure

    async def _serve(self) -> None:
        with contextlib.suppress(SystemExit):  # so uvicorn ends when it cannot listen; it has told why
            await self.server.serve()
