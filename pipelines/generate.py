"""The pipeline that generates noise sets.

plan -> Create(shards) -> GenerateShard -> outcomes; then tables and manifest from the receipts.

The pipeline is one linear chain, and only shard numbers and outcomes pass between its steps: image
bytes stay inside the process that owns their shard, because every runner is slow at moving them.
Elsewhere than in the local run, a shard that fails leaves a file that says why, since not every
runner reports errors or metrics.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from manifests import layout
from manifests.tables import DatasetKind
from pipelines.commit import write_file
from pipelines.errors import GO_ON, InputError, OutputError, UsageError, listed
from pipelines.finish import finish
from pipelines.idle import leave_process, take_process
from pipelines.local_run import current_run
from pipelines.locks import lock_shards
from pipelines.progress import Work, pause_between_looks, show_progress
from pipelines.ranges import Range
from pipelines.readers.sources import SourceSet
from pipelines.resume import (
    Existing,
    finished_manifest,
    prepare_output,
    refuse_foreign_output,
    refuse_rival,
    sweep_shards,
)
from pipelines.run_beam import refuse_unfinished, run_locally, run_on_engine
from pipelines.shard_job import Failure, Job, check_open_files
from pipelines.shards import Plan, Settings, json_bytes, make_plan
from pipelines.storage import Root, absolute_url, exists, list_folder, open_output, read_file
from transforms.geometry import RandomResizedCrop, ShorterSide, Squash
from transforms.grid import Grid


@dataclass(frozen=True)
class Scope:
    """Which part of a set a run makes.

    Attributes:
        existing: what becomes of a set that the output already holds.
        shards: the shards of this run, of which another process finishes the set; by default all.
    """

    existing: Existing = Existing.RESUME
    shards: Range | None = None


class GenerateShard(beam.DoFn):
    """Makes one shard: shard number -> (shard number, error message or None)."""

    def __init__(self, job: Job) -> None:
        """Take what a worker must know."""
        self._job = job

    def setup(self) -> None:
        """Take a worker process that makes the shards of this step."""
        self._worker = take_process(self._job)
        self._run = current_run()
        if self._run is not None:
            self._run.add(self._worker)

    def process(self, shard: int) -> Iterator[tuple[int, str | None]]:
        """Make one shard; a failure is told to the local run, or written beside the receipts."""
        if self._run is not None and self._run.is_stopped:
            return
        failure = self._worker.make(shard)
        if failure is not None and self._run is not None:
            self._run.fail(failure)
        elif failure is not None:
            _write_failure(self._job, failure)
        yield shard, None if failure is None else failure.message

    def teardown(self) -> None:
        """End the worker process with the local run; elsewhere leave it to the next step."""
        if self._run is not None:
            self._worker.close()
        else:
            leave_process(self._job, self._worker)


def _write_failure(job: Job, failure: Failure) -> None:
    path = layout.failure_path(failure.shard)
    output = open_output(job.output_url)
    if exists(output, layout.MANIFEST):
        return  # Another attempt made the shard, and the set is finished.
    try:
        write_file(output, path, json_bytes(failure.document()))
    except OutputError:  # The missing receipt tells that the shard is not done; here stands why.
        logging.getLogger(__name__).exception("%s", failure.message)


def generate(
    source: SourceSet,
    grid: Grid,
    output_url: str,
    settings: Settings,
    scope: Scope,
    runner: FnApiRunner | None,
    options: PipelineOptions,
) -> dict[str, Any] | None:
    """Generate a set, or a part of it: plan it, run the pipeline and finish it.

    Args:
        source: the dataset.
        grid: the grid.
        output_url: a path that does not exist, an empty folder or one that holds this set, as
            fsspec URL.
        settings: what the user chose beside them.
        scope: which part of the set is made.
        runner: Beam's; none for the one that the options name.
        options: Beam's.

    Returns:
        The manifest; None where the scope leaves shards to other processes.

    Raises:
        InputError: the grid does not go with the dataset.
        UsageError: the split does not fit into file names, or the scope names shards that the plan
            does not have.
        OutputError: the output holds something else, is worked on or cannot be written.
        ShardError: shards could not be made; the others are committed.
    """
    check_request(source, grid, settings, scope.existing)
    output = open_output(output_url)
    refuse_foreign_output(output)
    plan = make_plan(source, grid, settings)
    shards = scope.shards.resolve(plan.shards) if scope.shards else range(plan.shards)
    with lock_shards(output, shards if scope.shards else None):
        pending = prepare_output(plan, source.table, output, scope.existing, shards)
        if pending:
            job = Job(absolute_url(source.root), absolute_url(output_url), plan.fingerprint)
            work = _work(plan, output, shards)
            try:
                with show_progress(work):
                    failures = run_pipeline(job, pending, runner, options)
            finally:
                if runner is not None:  # No worker is left, as one of another runner may be.
                    sweep_shards(plan, output, shards)
            refuse_unfinished(failures, work, GO_ON)
        if scope.shards is not None:
            refuse_rival(plan, source.table, output)
        if len(shards) < plan.shards:
            return None
        return finished_manifest(output) or finish(plan, output)


def run_pipeline(
    job: Job, pending: Sequence[int], runner: FnApiRunner | None, options: PipelineOptions
) -> list[Failure]:
    """Run shards on Beam, wait for the end, and return the failures.

    Args:
        job: what workers must know.
        pending: the numbers of the shards.
        runner: Beam's local one; none for the one that the options name.
        options: Beam's.

    Raises:
        ShardError: the engine that the options name failed.
    """

    def build(pipeline: beam.Pipeline) -> object:
        shards = pipeline | "Shards" >> beam.Create(pending)  # shard number
        return shards | "GenerateShard" >> beam.ParDo(GenerateShard(job))  # with error or None

    if runner is not None:
        return run_locally(build, len(pending), runner, options)
    run_on_engine(build, options, GO_ON)
    return _read_failures(job, pending)


def _read_failures(job: Job, pending: Sequence[int]) -> list[Failure]:
    output = open_output(job.output_url)
    paths = {layout.failure_path(shard) for shard in pending}
    return [
        Failure.from_document(json.loads(read_file(output, path)))
        for path in list_folder(output, layout.FAILURES)
        if path in paths
    ]


def check_request(source: SourceSet, grid: Grid, settings: Settings, existing: Existing) -> None:
    """Refuse what cannot be generated, whatever the output is.

    Raises:
        InputError: the grid does not go with the dataset.
        UsageError: the split does not fit into file names.
        OutputError: the system does not allow as many open files as a worker needs.
    """
    _refuse_unfit_grid(source.kind, grid)
    _refuse_unfit_split(source.split)
    older = len(grid.variants) if existing is Existing.GROW else 0  # Read while new ones are made.
    check_open_files(len(grid.variants) * len(settings.formats) + older)


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


def _work(plan: Plan, output: Root, shards: range) -> Work:
    """Return the receipts of a run; a shard that failed and was made elsewhere is done, too."""
    return Work(
        {layout.receipt_path(plan.shard_name(shard)): plan.shard_size(shard) for shard in shards},
        lambda: list_folder(output, layout.RECEIPTS),
        "shard",
        pause_between_looks(output),
    )
