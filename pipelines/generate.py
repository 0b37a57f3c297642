"""The pipeline that generates noise sets.

plan -> Create(shards) -> GenerateShard -> outcomes; then tables and manifest from the receipts.

The pipeline is one linear chain, and only shard numbers and outcomes pass between its steps: image
bytes stay inside the step that owns their shard, because every runner is slow at moving them. A
shard that fails leaves a file that says why, since not every runner reports errors or metrics.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import resource
import traceback
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from manifests import layout
from manifests.tables import DatasetKind
from pipelines.errors import InputError, OutputError, ShardError, UsageError, listed
from pipelines.finish import finish
from pipelines.make_shard import ReadSource, make_shard
from pipelines.progress import show_progress
from pipelines.readers.access import source_reader
from pipelines.readers.sources import SourceSet
from pipelines.shards import (
    Plan,
    Settings,
    current_identities,
    json_bytes,
    load_plan,
    make_plan,
    write_plan,
)
from pipelines.storage import Root, list_folder, open_output, read_file, write_file
from transforms.geometry import RandomResizedCrop, ShorterSide, Squash
from transforms.grid import Grid, canonical_sha256

SPARE_FILES = 64
"""Open files that a process needs beside the shards that it writes."""


class GenerateShard(beam.DoFn):
    """Makes one shard: shard number -> (shard number, error message or None)."""

    def __init__(self, source_root: str, output: str, fingerprint: str) -> None:
        """Take the URLs of the source images and of the output, and its plan's fingerprint."""
        self._source_root = source_root
        self._output_url = output
        self._fingerprint = fingerprint

    def setup(self) -> None:
        """Leave parallelism to Beam, and the limit of image sizes to the plan."""
        prepare_libraries()

    def process(self, shard: int) -> Iterator[tuple[int, str | None]]:
        """Make one shard; an error is written beside the receipts and passed on as a row."""
        output = open_output(self._output_url)
        try:
            plan, read = _open_job(self._source_root, self._output_url, self._fingerprint)
            make_shard(plan, shard, read, output)
        except (InputError, OutputError, ShardError) as error:
            message = str(error)
        except Exception:  # noqa: BLE001 - Beam's local runner can hang where a step raises.
            message = f"shard {shard}: an error that should not happen:\n{traceback.format_exc()}"
        else:
            yield shard, None
            return
        failure = json_bytes({"shard": shard, "error": message})
        with contextlib.suppress(OutputError):  # Then the missing receipt will tell.
            write_file(output, layout.failure_path(shard), failure)
        yield shard, message


@functools.lru_cache(maxsize=1)
def _open_job(source_root: str, output_url: str, fingerprint: str) -> tuple[Plan, ReadSource]:
    """Load the plan and check that this worker makes the same pixels as it says.

    Raises:
        ShardError: another plan, or the worker has other library builds or CPU features.
    """
    plan = load_plan(open_output(output_url))
    if plan.fingerprint != fingerprint:
        raise ShardError(
            f"{output_url!r} holds the plan {plan.fingerprint}, this run's is {fingerprint}; "
            "do not run twice on one output"
        )
    here = current_identities(plan.grid, plan.image_format)
    if canonical_sha256(here) != canonical_sha256(dict(plan.identities)):
        raise ShardError(
            "this worker's libraries or CPU features differ from those in plan.json; install the "
            f"same versions on all workers. Planned: {plan.identities}; here: {here}"
        )
    return plan, source_reader(source_root)


def prepare_libraries() -> None:
    """Set thread pools to one, and lift Pillow's limit of image sizes: the plan has its own."""
    import cv2
    import pyarrow
    from PIL import Image

    cv2.setNumThreads(1)
    pyarrow.set_cpu_count(1)
    Image.MAX_IMAGE_PIXELS = None


def generate(
    source: SourceSet,
    grid: Grid,
    output_url: str,
    settings: Settings,
    runner: FnApiRunner | None,
    options: PipelineOptions,
) -> dict[str, Any]:
    """Generate a set: plan it, run the pipeline and finish it.

    Args:
        source: the dataset.
        grid: the grid.
        output_url: empty folder or a path that does not exist, as fsspec URL.
        settings: what the user chose beside them.
        runner: Beam's; none for the one that the options name.
        options: Beam's.

    Returns:
        The manifest.

    Raises:
        InputError: the grid does not go with the dataset.
        OutputError: the output is not empty or cannot be written.
        ShardError: shards could not be made; the others are committed.
    """
    _refuse_unfit_grid(source.kind, grid)
    _refuse_unfit_split(source.split)
    check_open_files(len(grid.variants) * len(settings.formats))
    output = open_output(output_url)
    if runner is not None:
        _refuse_process_memory(source.root, output_url)
    _refuse_used_output(output)
    plan = make_plan(source, grid, settings)
    write_plan(plan, source.table, output)
    with show_progress(plan, output):
        run_pipeline(plan, source.root, output_url, runner, options)
    _refuse_failures(plan, output)
    return finish(plan, output)


def run_pipeline(
    plan: Plan,
    source_root: str,
    output_url: str,
    runner: FnApiRunner | None,
    options: PipelineOptions,
) -> None:
    """Run the shards of a plan on Beam and wait for the end."""
    if runner is not None:  # A worker without a shard would only start and stop.
        direct = options.view_as(DirectOptions)
        direct.direct_num_workers = min(direct.direct_num_workers, plan.shards)
    with beam.Pipeline(runner=runner, options=options) as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(range(plan.shards))  # shard number
            | "GenerateShard"
            >> beam.ParDo(GenerateShard(source_root, output_url, plan.fingerprint))
        )  # (shard number, error or None)


def check_open_files(shard_files: int) -> None:
    """Raise the limit of open files of this process, which its workers inherit, where needed.

    Args:
        shard_files: number of files that a worker writes at the same time.

    Raises:
        OutputError: the system does not allow that many.
    """
    needed = shard_files + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        except (ValueError, OSError) as error:
            raise OutputError(
                f"a worker writes {shard_files} files at a time, but the system allows only {hard} "
                f"open files (ulimit -Hn); raise that limit to {needed} or use a smaller grid"
            ) from error


def _refuse_unfit_grid(kind: DatasetKind, grid: Grid) -> None:
    if kind is not DatasetKind.COCO:
        return
    problems = []
    if isinstance(grid.geometry, ShorterSide | Squash | RandomResizedCrop):
        problems.append(
            f"its geometry {grid.geometry.rule!r} crops; use keep-ratio, letterbox or native"
        )
    if grid.applies_exif:
        problems.append("opencv-exif rotates images, but COCO's boxes are given for the unrotated")
    if problems:
        raise InputError(f"grid {grid.name!r} does not go with COCO:\n{listed(problems)}")


def _refuse_unfit_split(split: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", split):
        raise UsageError(
            f"the split {split!r} goes into file names; give --split a name of letters, digits, "
            "'_', '-' and '.'"
        )


def _refuse_process_memory(*urls: str) -> None:
    for url in urls:
        if "memory://" in url:
            raise UsageError(
                f"{url!r} is the memory of one process, which local workers do not share; run in "
                "one process with --runner=FnApiRunner"
            )


def _refuse_used_output(output: Root) -> None:
    try:
        used = output.fs.exists(output.path) and (
            output.fs.isfile(output.path) or output.fs.ls(output.path, detail=False)
        )
    except OSError as error:
        raise OutputError(f"listing the output {output.url!r}: {error}") from error
    if used:
        raise OutputError(f"the output {output.url!r} is not an empty folder; give another path")


def _refuse_failures(plan: Plan, output: Root) -> None:
    failures = [
        json.loads(read_file(output, path)) for path in list_folder(output, layout.FAILURES)
    ]
    if failures:
        messages = list(dict.fromkeys(str(failure["error"]) for failure in failures))
        raise ShardError(f"{len(failures)} of {plan.shards} shards failed:\n{listed(messages)}")
