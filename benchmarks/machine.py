"""The machine that is measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe_machine() -> dict[str, str | int | None]:
    """Name the processor, the number of cores and Python."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":")[1].strip()
    return {"processor": model, "cores": os.cpu_count(), "python": platform.python_version()}
