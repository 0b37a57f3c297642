"""The pipeline that generates noise sets.

plan -> Create(shards) -> GenerateShard -> outcomes; then tables and manifest from the receipts.

The pipeline is one linear chain, and only shard numbers and outcomes pass between its steps: image
bytes stay inside the process that owns their shard, because every runner moves them slowly.
Outside of the local run, a shard that fails leaves a file that says why, since not every runner
reports errors or metrics.
"""

from __future__ import annotations

import functools
import logging
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam

from sysnoise.manifests import layout
from sysnoise.manifests.json_documents import DocumentError, json_bytes, read_document
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.beam.local_run import current_run
from sysnoise.pipelines.beam.options import Engine
from sysnoise.pipelines.beam.progress import (
    Work,
    pause_between_looks,
    refuse_unfinished,
    say,
    show_progress,
)
from sysnoise.pipelines.beam.run import run_pipeline
from sysnoise.pipelines.errors import (
    RESUME_GENERATING,
    InputError,
    OutputError,
    UsageError,
    lines_of,
)
from sysnoise.pipelines.generation.finish import finish
from sysnoise.pipelines.planning.plan import PlanOptions, make_plan
from sysnoise.pipelines.planning.ranges import Range
from sysnoise.pipelines.planning.receipts import Receipt, read_receipt_if_whole
from sysnoise.pipelines.planning.rejects import RejectCount, RejectLimit
from sysnoise.pipelines.planning.resume import (
    Existing,
    finished_manifest,
    prepare_output,
    refuse_concurrent_plan,
    refuse_foreign_output,
    sweep_shards,
)
from sysnoise.pipelines.planning.stamps import compare_finished, keep_stamps, take_stamps
from sysnoise.pipelines.readers.sources import SourceSet
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.listing import list_folder
from sysnoise.pipelines.storage.locks import lock_shards
from sysnoise.pipelines.storage.reading import read_file, read_if_there, read_in_parallel
from sysnoise.pipelines.storage.root import Root, absolute_url, exists, open_output
from sysnoise.pipelines.workers.failures import Failure, FailureKind
from sysnoise.pipelines.workers.job import ShardJob
from sysnoise.pipelines.workers.limits import check_open_files
from sysnoise.pipelines.workers.pool import acquire_process, release_process
from sysnoise.transforms.codecs.exif import Exif
from sysnoise.transforms.grid import Grid
from sysnoise.transforms.quantities import counted


@dataclass(frozen=True)
class Scope:
    """Which part of a set a run makes.

    Attributes:
        existing: what becomes of a set that the output already holds.
        shards: the shards of this run, after which another process finishes the set; by default
            all shards.
        max_rejects: most samples of the set that may be rejected.
    """

    existing: Existing = Existing.RESUME
    shards: Range | None = None
    max_rejects: RejectLimit = None


class GenerateShard(beam.DoFn):
    """Makes one shard: shard number -> (shard number, error message or None)."""

    def __init__(self, job: ShardJob) -> None:
        """Store what a worker must know."""
        self._job = job

    def setup(self) -> None:
        """Acquire a worker process that makes the shards of this step."""
        self._worker = acquire_process(self._job)
        self._run = current_run()
        if self._run is not None:
            self._run.add(self._worker)

    def process(self, shard: int) -> Iterator[tuple[int, str | None]]:
        """Make one shard; a failure is reported to the local run, or written to a file."""
        if self._run is not None and self._run.is_stopped:
            return
        failure = self._make(shard)
        yield shard, None if failure is None else failure.message

    def _make(self, shard: int) -> Failure | None:
        run = self._run
        if run is None:
            failure = self._worker.make(shard)
            if failure is not None:
                _write_failure(self._job, failure)
            return failure
        failure = self._worker.make(shard, functools.partial(run.count, shard))
        if failure is None:
            run.made(shard)
        else:
            run.count(shard, 0)
            run.fail(failure)
        return failure

    def teardown(self) -> None:
        """End the worker process with the local run; elsewhere release it for the next step."""
        if self._run is not None:
            self._worker.close()
        else:
            release_process(self._job, self._worker)


def _write_failure(job: ShardJob, failure: Failure) -> None:
    path = layout.failure_path(failure.shard)
    output = open_output(job.output_url)
    if exists(output, layout.MANIFEST):
        return  # Another attempt made the shard, and the set is finished.
    try:
        write_file(output, path, json_bytes(failure))
    except OutputError:  # The missing receipt says that the shard is not done; the log says why.
        logging.getLogger(__name__).exception("%s", failure.message)


def generate(
    source: SourceSet,
    grid: Grid,
    output_url: str,
    options: PlanOptions,
    scope: Scope,
    engine: Engine,
) -> Manifest | None:
    """Generate a set, or a part of it: plan it, run the pipeline and finish it.

    Args:
        source: the dataset.
        grid: the grid.
        output_url: a path that does not exist, an empty folder or one that holds this set, as
            fsspec URL.
        options: what the user chose besides dataset and grid.
        scope: which part of the set is made.
        engine: what runs the pipeline.

    Returns:
        The manifest; None where the scope leaves shards to other processes.

    Raises:
        InputError: the grid does not go with the dataset.
        UsageError: the split does not fit into file names, or the scope names shards that the plan
            does not have.
        OutputError: the output holds something else, another run is working on it, or it cannot be
            written.
        ShardError: shards could not be made; the others are committed.
        RejectsError: more samples are rejected than the scope allows; shards are committed.
    """
    check_request(source, grid, options, scope.existing)
    output = open_output(output_url)
    refuse_foreign_output(output)
    plan = make_plan(source, grid, options)
    shards = scope.shards.resolve(plan.shards) if scope.shards else range(plan.shards)
    stamps = take_stamps(source)
    with lock_shards(output, shards if scope.shards else None):
        pending = prepare_output(plan, source, output, scope.existing, shards)
        for text in _notes(plan, output, shards, pending, engine):
            say(text)
        if pending:
            compare_finished(plan, source, stamps, output, set(shards) - set(pending))
            urls = absolute_url(source.root), absolute_url(output_url)
            job = ShardJob(*urls, plan.fingerprint, keep_stamps(stamps, plan, output))
            rejects = _count_rejects(plan, output, set(shards) - set(pending), scope)
            _make_shards(engine, job, plan, output, shards, pending, rejects)
        if scope.shards is not None:
            refuse_concurrent_plan(plan, source, output)
        if len(shards) < plan.shards:
            return None
        return finished_manifest(plan, output) or finish(plan, output, scope.max_rejects)


def _notes(
    plan: Plan, output: Root, shards: range, pending: Sequence[int], engine: Engine
) -> Iterator[str]:
    """Yield what a user should know before the run: what is there already, and idle workers."""
    there = len(shards) - len(pending)
    if there:
        is_part = len(shards) < plan.shards
        is_complete = not pending and (is_part or finished_manifest(plan, output) is not None)
        how = "already complete" if is_complete else "resuming"
        yield f"{how}: {there} of {len(shards)} shards are there"
    if len(pending) == plan.shards:
        yield from idle_workers(plan, engine)


def idle_workers(plan: Plan, engine: Engine) -> Iterator[str]:
    """Yield a note where there are fewer shards than workers, and smaller shards would help."""
    workers = engine.local_workers
    if not workers:
        return
    per_shard = math.ceil(plan.samples / workers)
    shards = math.ceil(plan.samples / per_shard)
    if plan.shards < shards:
        yield (
            f"note: {counted(plan.shards, 'shard')} for {workers} workers, of which "
            f"{workers - plan.shards} will be idle; --samples-per-shard {per_shard} makes "
            f"{counted(shards, 'shard')}"
        )


def _count_rejects(
    plan: Plan, output: Root, finished: Collection[int], scope: Scope
) -> RejectCount:
    """Return the count of rejects of finished shards.

    Raises:
        RejectsError: they alone are more than the scope allows.
    """
    rejects = RejectCount(plan, scope.max_rejects)
    read = functools.partial(_read_receipt, plan, output)
    for receipt in filter(None, read_in_parallel(read, sorted(finished))):
        rejects.add(receipt)
    rejects.refuse(output.url)
    return rejects


def _read_receipt(plan: Plan, output: Root, shard: int) -> Receipt | None:
    """Return the receipt of a shard; None where it was not made, or has gone again."""
    data = read_if_there(output, layout.receipt_path(plan.shard_name(shard)))
    return None if data is None else read_receipt_if_whole(data)


def _make_shards(
    engine: Engine,
    job: ShardJob,
    plan: Plan,
    output: Root,
    shards: range,
    pending: Sequence[int],
    rejects: RejectCount,
) -> None:
    """Make the pending ones of some shards, and remove unfinished files of dead workers.

    Beam's local runner stops as soon as more samples are rejected than may be.
    """

    def build(pipeline: beam.Pipeline) -> object:
        numbers = pipeline | "Shards" >> beam.Create(pending)  # shard number
        return numbers | "GenerateShard" >> beam.ParDo(GenerateShard(job))  # with error or None

    def may_go_on(shard: int) -> bool:
        receipt = _read_receipt(plan, output, shard)
        if receipt is not None:
            rejects.add(receipt)
        return not rejects.is_over

    work = _work(plan, output, shards)
    try:
        with show_progress(work):
            failures = run_pipeline(engine, build, len(pending), RESUME_GENERATING, may_go_on)
    finally:
        if engine.local_runner is not None:  # Workers of another runner may still be at work.
            sweep_shards(plan, output, shards)
    if engine.local_runner is None:
        failures = _read_failures(job, pending)
    rejects.refuse(output.url)
    refuse_unfinished(failures, work, RESUME_GENERATING)


def _read_failures(job: ShardJob, pending: Sequence[int]) -> list[Failure]:
    output = open_output(job.output_url)
    paths = {layout.failure_path(shard): shard for shard in pending}
    found = sorted(paths.keys() & set(list_folder(output, layout.FAILURES)))
    return [_read_failure(output, path, paths[path]) for path in found]


def _read_failure(output: Root, path: str, shard: int) -> Failure:
    try:
        return read_document(read_file(output, path), Failure)
    except DocumentError as error:
        return Failure(shard, FailureKind.INTERNAL, f"{output.child(path)!r} is damaged: {error}")


def check_request(source: SourceSet, grid: Grid, options: PlanOptions, existing: Existing) -> None:
    """Refuse what cannot be generated, whatever the output is.

    Raises:
        InputError: the grid does not go with the dataset.
        UsageError: the split does not fit into file names.
        OutputError: the system does not allow as many open files as a worker needs.
    """
    _refuse_unfit_grid(source.kind, grid)
    _refuse_unfit_split(source.split)
    # A grown set reads the files of the smaller grid while it writes new ones.
    earlier_files = len(grid.variants) if existing is Existing.GROW else 0
    check_open_files(len(grid.variants) * len(options.formats) + earlier_files)


def _refuse_unfit_grid(kind: DatasetKind, grid: Grid) -> None:
    if kind is not DatasetKind.COCO:
        return
    geometries = {each.name: each.geometry for each in grid.geometries}
    problems = [
        f"its geometry {name!r} crops; use keep-ratio, letterbox or native, or squash with a crop "
        "of its size"
        for name, geometry in (geometries or {grid.geometry.rule: grid.geometry}).items()
        if geometry.crops
    ]
    if grid.exif is Exif.APPLIED:
        problems.append(
            "opencv-exif rotates images, but COCO's boxes are those of unrotated images; where "
            "they are those of upright ones, give --orient upright"
        )
    if problems:
        raise InputError(f"grid {grid.name!r} does not go with COCO:\n{lines_of(problems)}")


def _refuse_unfit_split(split: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", split):
        raise UsageError(
            f"the split {split!r} goes into file names; give --split a name of letters, digits, "
            "'_', '-' and '.'"
        )


def _work(plan: Plan, output: Root, shards: range) -> Work:
    """Return the receipts of a run; a shard that failed but was made by another run is done too."""
    return Work(
        images={
            layout.receipt_path(plan.shard_name(shard)): plan.shard_size(shard) for shard in shards
        },
        present=lambda: list_folder(output, layout.RECEIPTS),
        noun="shard",
        unit="sample",
        pause=pause_between_looks(output),
    )
