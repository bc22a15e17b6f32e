"""Residual against evaluations of every solver on every problem: one panel a problem."""

from __future__ import annotations

from typing import Any

from andersonn.measuring.plots import residual_panels

OURS = ("#0072B2", "#56B4E9", "#009E73", "#08306B", "#41AB5D", "#6A51A3", "#74C476", "#9E9AC8")
PEERS = ("#D55E00", "#E69F00", "#CC79A7", "#999999", "#8C510A", "#666666", "#F0A3A3", "#7F0000")


def figure(result: dict[str, Any]) -> bytes:
    """PNG: ours in full blue and green lines, peers dashed in warm colors and gray."""
    ours = {row["solver"] for row in result["rows"] if row["ours"]}
    first = [name for name in result["solvers"] if name in ours]
    peers = [name for name in result["solvers"] if name not in ours]
    looks = {name: (OURS[k % len(OURS)], "-") for k, name in enumerate(first)}
    looks |= {name: (PEERS[k % len(PEERS)], "--") for k, name in enumerate(peers)}
    curves = {found["case"]: found["residual"] for found in result["curves"].values()}
    return residual_panels(curves, looks, floor=min(result["setting"]["tolerances"]) / 3)
