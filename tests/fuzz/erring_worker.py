"""A worker whose readers err in known ways at known inputs, to test that the fuzzer sees it."""

from __future__ import annotations

import os

from tests.fuzz import judge, worker

ERRORS = {30: "crash", 40: "hang", 50: "unnamed:KeyError", 60: "memory"}


def main() -> None:
    made, read, number = worker.made, judge._read, -1

    def numbered(pool, seed, k):
        nonlocal number
        number = k
        return made(pool, seed, k)

    def erring(*input):
        if number == 30:
            os.abort()
        while number == 40:
            pass
        if number == 50:
            raise KeyError("planted")
        if number == 60:
            return [bytearray(2 << 30)]
        return read(*input)

    worker.made, judge._read = numbered, erring
    worker.main()


if __name__ == "__main__":
    main()
