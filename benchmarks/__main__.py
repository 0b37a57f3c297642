"""Run all measurements: ``python -m benchmarks --output FOLDER``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks import applying, decoders, resizes
from benchmarks.arguments import parse_arguments
from benchmarks.machine import describe_machine
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
from sysnoise import load_grid


def main() -> None:
    """Measure, and write ``bench.json``, ``bench.md`` and ``bench.png``."""
    arguments = parse_arguments("python -m benchmarks", __doc__, SIZES)
    sizes = SIZES[arguments.sizes]
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
            "decoders": list(decoders.against_own_calls()),
            "resizes": list(resizes.against_own_calls()),
            "apply": list(applying.against_own_calls()),
        }
    tables = format_tables(results)
    (arguments.output / "bench.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (arguments.output / "bench.md").write_text(tables, "utf-8")
    draw(results, arguments.output / "bench.png")
    print(tables)


if __name__ == "__main__":
    main()
