"""What a list costs another client: a crystal is sent again and again while a long list of molecules runs.

    python benchmarks/fair_share.py [--molecules 3000] [--seconds 60] [--every 1] [--geometry none | one | many] [--json FILE]

Starts ``andersonn serve``, sends known molecules of the package as one list that streams, and meanwhile a crystal, one at a time. Prints the
times of the crystal, rows of the list a second, and the load of the machine, which all times depend on. The list is cancelled at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import time
from typing import Any

import httpx
import numpy as np

from andersonn.web.known import substances
from serve import crystals, started


async def measured(url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    known = [found.smiles for found in substances() if found.smiles]
    lines = "\n".join(known[k % len(known)] for k in range(arguments.molecules))
    crystal = {"files": ("POSCAR", crystals(1)[0].encode())}
    rows, took, ended = 0, [], asyncio.Event()

    async def read() -> None:
        nonlocal rows
        form, headers = {"text": lines}, {"accept": "application/x-ndjson"}
        where = f"{url}/api/predict/polarity?geometry={arguments.geometry}"
        async with (
            httpx.AsyncClient(timeout=None) as client,
            client.stream("POST", where, data=form, headers=headers) as answer,
        ):
            async for _ in answer.aiter_lines():
                rows += 1
        ended.set()

    async with httpx.AsyncClient(timeout=None) as client:
        reading = asyncio.create_task(read())
        while not rows:
            await asyncio.sleep(0.05)
        begin, first = time.monotonic(), rows
        while time.monotonic() - begin < arguments.seconds and not ended.is_set():
            asked = time.monotonic()
            (await client.post(f"{url}/api/predict/conduction", files=crystal)).raise_for_status()
            took.append(time.monotonic() - asked)
            await asyncio.sleep(arguments.every)
        wall = time.monotonic() - begin
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    found = np.array(took)
    return {
        "molecules": arguments.molecules, "geometry": arguments.geometry, "n": len(took), "p50": float(np.median(found)),
        "p95": float(np.percentile(found, 95)), "longest": float(found.max()), "at_most_1_s": float((found <= 1.0).mean()),
        "rows_per_second": (rows - first) / wall, "load_average": os.getloadavg()[0], "processors": len(os.sched_getaffinity(0)),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--geometry", choices=("none", "one", "many"), default="many")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    process, url, _ = started([])
    try:
        found = asyncio.run(measured(url, arguments))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60.0)
    print(json.dumps(found, indent=1))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(found, file)


if __name__ == "__main__":
    main()
