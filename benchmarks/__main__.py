"""Run all measurements: ``python -m benchmarks --output FOLDER``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path

from benchmarks.measure import (
    SIZES,
    Bench,
    against_floor,
    against_original,
    growth,
    memory,
    start_up,
)
from benchmarks.report import draw, format_tables
from manifests import load_grid


def main() -> None:
    """Measure, and write ``bench.json``, ``bench.md`` and ``bench.png``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the three files")
    parser.add_argument(
        "--sizes", choices=SIZES, default="full", help="smoke: a few images, to see that it runs"
    )
    arguments = parser.parse_args()
    sizes = SIZES[arguments.sizes]
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.output) as work:
        bench = Bench(Path(work))
        results = {
            "machine": describe_machine(),
            "libraries": load_grid("imagenet-full").identities(),
            "start_up": start_up(bench),
            "floor": against_floor(bench, sizes.floor),
            "original": against_original(bench, sizes.floor, sizes.original),
            "growth": list(growth(bench, sizes.growth)),
            "memory": list(memory(bench, sizes)),
        }
    tables = format_tables(results)
    (arguments.output / "bench.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (arguments.output / "bench.md").write_text(tables, "utf-8")
    draw(results, arguments.output / "bench.png")
    print(tables)


def describe_machine() -> dict[str, str | int | None]:
    """Name the processor, the number of cores and Python."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":")[1].strip()
    return {"processor": model, "cores": os.cpu_count(), "python": platform.python_version()}


if __name__ == "__main__":
    main()
