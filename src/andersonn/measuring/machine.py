"""What this machine is."""

from __future__ import annotations

import platform
from pathlib import Path

from andersonn.sanitize import lines_of


def cpu_name() -> str:
    """The processor's name, as its maker gives it where the system says so."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = lines_of(cpuinfo.read_text(encoding="utf-8", errors="replace")) if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
