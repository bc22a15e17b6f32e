"""The web lab under load: many clients at a time against one server on loopback.

    python benchmarks/serve.py [--clients 200] [--seconds 60] [--task conduction | polarity] [--hostile 0.1] [--json FILE]
        [-- OPTIONS OF andersonn serve]

Starts ``andersonn serve`` as a user would, measures the time until its page and until its first answer, then has every
client send question after question: crystals of the demo's records, each with its atoms displaced by chance, so that none
is the same twice, or SMILES; a share of them hostile (cut, binary, unknown elements). Counts answers by status, and takes
percentiles of the time of those answered. At the end the server is stopped in the midst of questions, which has to leave
none with a 5xx. Clients run in this process, on the same processors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from typing import Any

import httpx
import numpy as np

from andersonn.demo.experiment import demo_records
from andersonn.measuring.setting import cpu_name
from andersonn.structures import elements

MOST_ATOMS = 40
"""Of the crystals sent."""
DISPLACED = 0.01
"""Å: standard deviation of displacements."""
MOLECULES = [
    "CCO",
    "c1ccccc1O",
    "CC(=O)N",
    "NCC(=O)O",
    "CC#N",
    "C1CCOC1",
    "O=C1CCCN1",
    "CS(C)=O",
    "Cc1ccncc1",
    "OCC(O)CO",
]


def crystals(count: int) -> list[str]:
    """POSCARs."""
    records, chance = demo_records(), np.random.default_rng(0)
    found: list[str] = []
    for k in chance.permutation(len(records)):
        structure = records[int(k)]
        if len(structure) > MOST_ATOMS:
            continue
        xyz = structure.xyz + DISPLACED * chance.standard_normal(structure.xyz.shape)
        order = np.argsort(structure.Z, kind="stable")
        numbers, counts = np.unique(structure.Z, return_counts=True)
        lines = [f"crystal {k}", "1.0", *(" ".join(f"{x:.6f}" for x in row) for row in structure.cell)]
        lines += [" ".join(elements.symbols()[z] for z in numbers), " ".join(map(str, counts)), "Cartesian"]
        found.append("\n".join([*lines, *(" ".join(f"{x:.6f}" for x in row) for row in xyz[order])]) + "\n")
        if len(found) == count:
            break
    return found


def hostile(text: str, chance: random.Random) -> bytes:
    """Something that cannot be answered."""
    return chance.choice([
        text[: len(text) // 2].encode(), bytes(chance.randrange(256) for _ in range(500)), text.replace("Cartesian", "…").encode(),
        b"data_x\n" * 1000, text.replace("1.0", "1e300", 1).encode(),
    ])  # fmt: skip


class Load:
    """Clients and what they saw."""

    def __init__(self, arguments: argparse.Namespace, url: str) -> None:
        self.arguments, self.url = arguments, url
        self.texts = crystals(500) if arguments.task == "conduction" else MOLECULES
        self.codes: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.stopping = False

    async def client(self, number: int, until: float) -> None:
        chance = random.Random(number)
        async with httpx.AsyncClient(base_url=self.url, timeout=120.0) as client:
            while time.perf_counter() < until:
                begin = time.perf_counter()
                code = await self.question(client, chance)
                self.codes[code] += 1
                self.seconds[code].append(time.perf_counter() - begin)
                if code == "429":
                    await asyncio.sleep(chance.uniform(0.2, 1.0))
                if code == "not connected" and self.stopping:
                    return

    async def question(self, client: httpx.AsyncClient, chance: random.Random) -> str:
        text, path = chance.choice(self.texts), f"/api/predict/{self.arguments.task}"
        bad = chance.random() < self.arguments.hostile
        try:
            if self.arguments.task == "polarity" and not bad:
                answer = await client.post(path, data={"smiles": text})
            else:
                content = hostile(text, chance) if bad else text.encode()
                answer = await client.post(path, files=[("files", ("a.vasp", content))])
        except httpx.TransportError:
            return "not connected"
        return str(answer.status_code)

    async def run(self) -> None:
        until = time.perf_counter() + self.arguments.seconds
        await asyncio.gather(*(self.client(k, until) for k in range(self.arguments.clients)))

    async def run_into_stop(self, process: subprocess.Popen[bytes]) -> Counter[str]:
        """Asks while the server is told to stop."""
        self.codes, before = Counter(), self.codes
        self.stopping = True
        asking = asyncio.gather(*(self.client(10_000 + k, time.perf_counter() + 30.0) for k in range(20)))
        await asyncio.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        await asking
        self.codes, found = before, self.codes
        return found


def started(options: list[str]) -> tuple[subprocess.Popen[bytes], str, dict[str, float]]:
    """The server, its address, and seconds until its page, its first answer and its first close look."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "andersonn.cli.main", "serve", "--port", str(port), *options])
    url, took = f"http://127.0.0.1:{port}", {}
    while "page" not in took:
        try:
            httpx.get(url).raise_for_status()
            took["page"] = time.perf_counter() - begin
        except httpx.TransportError:
            if process.poll() is not None:
                raise SystemExit("the server did not start") from None
            time.sleep(0.02)
    httpx.post(f"{url}/api/predict/polarity", data={"smiles": "CCO"}, timeout=300.0).raise_for_status()
    took["answer"] = time.perf_counter() - begin
    httpx.post(f"{url}/api/inspect/polarity", data={"smiles": "CCO"}, timeout=300.0).raise_for_status()
    took["look"] = time.perf_counter() - begin  # all processes have started
    return process, url, took


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    process, url, took = started(arguments.options)
    load = Load(arguments, url)
    begin = time.perf_counter()
    asyncio.run(load.run())
    wall = time.perf_counter() - begin
    health = httpx.get(f"{url}/api/health", timeout=30.0).json()
    at_stop = asyncio.run(load.run_into_stop(process))
    status = process.wait(60.0)
    good = np.array(load.seconds["200"] or [np.nan])
    return {
        "clients": arguments.clients, "task": arguments.task, "seconds": wall, "start": took, "codes": dict(load.codes),
        "per_second": load.codes["200"] / wall, "p50": float(np.median(good)), "p95": float(np.percentile(good, 95)),
        "p99": float(np.percentile(good, 99)), "structures_per_batch": health["structures"] / max(health["batches"], 1),
        "at_stop": dict(at_stop), "exit_status": status, "cpu": cpu_name(), "processors": len(os.sched_getaffinity(0)),
        "load_average": os.getloadavg()[0],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--task", choices=("conduction", "polarity"), default="conduction")
    parser.add_argument("--hostile", type=float, default=0.1)
    parser.add_argument("--json")
    parser.add_argument("options", nargs="*")
    arguments = parser.parse_args()
    found = measure(arguments)
    for name, value in found.items():
        print(f"{name}: {value}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as stream:
            json.dump(found, stream, indent=2)
    bad = [code for code in {**found["codes"], **found["at_stop"]} if code.startswith("5")]
    if bad or "not connected" in found["codes"] or found["exit_status"]:
        raise SystemExit(f"not sound: {bad}, exit status {found['exit_status']}")


if __name__ == "__main__":
    main()
