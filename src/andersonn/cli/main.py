"""The program as a module: ``python -m andersonn.cli.main`` does what ``andersonn`` does."""

from andersonn.cli.entry import main
from andersonn.cli.verbs import app

__all__ = ["app", "main"]

if __name__ == "__main__":
    main()
