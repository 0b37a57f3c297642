"""``make deployed``: compare with the libraries of the field, and write ``docs/deployed.md``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

# torchvision aborts the process where TensorFlow was imported before it.
import torchvision  # noqa: F401  # isort: skip
import torch

from benchmarks.deployed.facts import FACTS, facts_json
from benchmarks.deployed.measuring import measured_decoders, measured_resizes, measured_stacks
from benchmarks.deployed.page import FIGURES, PAGE, format_page
from benchmarks.deployed.photographs import describe_photographs, read_photographs
from benchmarks.deployed.programs import chromium, sharp
from benchmarks.deployed.real_decoders import real_decoders
from benchmarks.deployed.real_detector_stacks import real_detector_stacks
from benchmarks.deployed.real_resizes import real_resizes
from benchmarks.deployed.real_stacks import real_stacks
from benchmarks.machine import describe_machine
from sysnoise import load_grid
from sysnoise.transforms.libraries import library_build
from sysnoise.transforms.methods import is_available
from sysnoise.transforms.variants import METHODS

PARTS = ("decoder", "resize", "imagenet-stacks", "coco-stacks")


def main() -> None:
    """Measure, and write figures, page and facts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--modules", type=Path, required=True, help="node_modules with sharp")
    parser.add_argument("--count", type=int, default=50, help="number of photographs")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="measure these, keep the others"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kept = {} if set(arguments.parts) == set(PARTS) else json.loads(FIGURES.read_text("utf-8"))
    photographs = read_photographs(arguments.data, arguments.count)
    results = {
        "machine": describe_machine(),
        "photographs": {
            "count": len(photographs),
            "subsamplings": describe_photographs(photographs),
        },
        "builds": {library: library_build(library) for library in sorted(_libraries())},
    }
    if kept and any(kept[name] != found for name, found in results.items()):
        parser.error("parts can be kept where machine, photographs and libraries are the same only")
    with chromium() as browser, sharp(arguments.modules) as node:
        measure = {
            "decoder": lambda: measured_decoders(real_decoders(browser, node), photographs),
            "resize": lambda: measured_resizes(real_resizes(browser, node), photographs),
            "imagenet-stacks": lambda: measured_stacks(
                load_grid("imagenet-stacks"), real_stacks(browser, node), photographs
            ),
            "coco-stacks": lambda: measured_stacks(
                load_grid("coco-stacks"), real_detector_stacks(browser, node), photographs
            ),
        }
        for part in PARTS:
            results[part] = measure[part]() if part in arguments.parts else kept[part]
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    PAGE.write_text(format_page(results), "utf-8")
    FACTS.write_text(facts_json(results), "utf-8")


def _libraries() -> set[str]:
    methods = (each for axis in ("decoder", "resize") for each in METHODS[axis].values())
    return {method.library for method in methods if is_available(method)}


if __name__ == "__main__":
    main()
