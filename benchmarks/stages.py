"""One measured stage in a process of its own: ``python -m benchmarks.stages STAGE ARGUMENTS``.

Loads what the command loads, Beam included, and prints seconds and peak memory as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

import sysnoise.pipelines.generation.pipeline  # noqa: F401 - the command has it in memory, and so do the stages.
from benchmarks.command import peak_mib
from sysnoise import load_grid
from sysnoise.pipelines.generation.finish import finish
from sysnoise.pipelines.planning.plan import PlanOptions, load_plan, make_plan
from sysnoise.pipelines.planning.resume import Existing, prepare_output
from sysnoise.pipelines.planning.stamps import keep_stamps, take_stamps
from sysnoise.pipelines.readers.coco import read_coco
from sysnoise.pipelines.readers.imagenet import read_imagenet
from sysnoise.pipelines.storage.root import open_output


def plan(kind: str, folder: str, grid: str, output: str) -> None:
    """List a made-up dataset, plan it and prepare the output, as a run does."""
    if kind == "coco":
        source = read_coco(f"{folder}/images", f"{folder}/instances_train.json", None)
    else:
        source = read_imagenet(f"{folder}/images", None, None, "train")
    made = make_plan(source, load_grid(grid), PlanOptions())
    stamps, root = take_stamps(source), open_output(output)
    prepare_output(made, source, root, Existing.RESUME, range(made.shards))
    keep_stamps(stamps, made, root)


def finish_set(output: str) -> None:
    """Finish a set of which all receipts are there."""
    root = open_output(output)
    finish(load_plan(root), root)


STAGES: dict[str, Callable[..., None]] = {"plan": plan, "finish": finish_set}


def main(stage: str, *arguments: str) -> None:
    """Run one stage and print ``seconds``, of which ``cpu_seconds`` computing, and ``peak_mib``."""
    start, cpu_start = time.perf_counter(), time.process_time()
    STAGES[stage](*arguments)
    took = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu_start,
        # Not getrusage's, in which the process that started this one still counts.
        "peak_mib": peak_mib(os.getpid()),
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main(*sys.argv[1:])
