"""Where the program begins and ends: its streams, its exit status, and the words about what went wrong.

Only the standard library is imported here before the verbs are, so that these words also come where a package is missing or
broken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from andersonn.cli import streams
from andersonn.errors import AndersonnError, InputError
from andersonn.io import places

INTERRUPTED = 130


def main() -> None:
    """Runs the program. Errors a user can cause end in one line, with exit status 1 for a bad input and 2 for a wrong
    call. So do what the machine lacks (disk, memory, a package) and unexpected errors, with exit status 1; of the latter
    the traceback is in a log file. A reader of the output that goes away is no error.
    """
    streams.prepare()
    places.spare_libraries_the_home()
    status = _status_of(_verbs)
    sys.exit(_status_of(_flush) or status)


def _verbs() -> None:
    from andersonn.cli.verbs import app

    app()


def _flush() -> None:
    sys.stdout.flush()  # what does not fit on a full disk is an error here, and only a line without status later


def _status_of(work: Callable[[], None]) -> int:
    """Does something, says what went wrong, and returns the exit status."""
    try:
        work()
    except SystemExit as end:
        return _number(end.code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except InputError as error:
        _tell(error)
    except AndersonnError as error:
        _tell(error)
        return 2
    except Exception as error:
        from andersonn.cli.system_errors import of_machine, tell

        lacking = of_machine(error)
        if lacking:
            _tell(lacking)
        else:
            print(tell(error), file=sys.stderr, flush=True)
    else:
        return 0
    return 1


def _number(code: object) -> int:
    """The exit status that a ``SystemExit`` stands for."""
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr, flush=True)
    return 1


def _tell(error: AndersonnError) -> None:
    line = f"error: {error.message}" + (f" ({error.hint})" if error.hint else "")
    print(line, file=sys.stderr, flush=True)
