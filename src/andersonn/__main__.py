"""``python -m andersonn``: the same program as ``andersonn``."""

from andersonn.cli.entry import main

if __name__ == "__main__":
    main()
