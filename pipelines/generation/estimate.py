"""``sysnoise generate --dry-run``: estimating size and time of a run from a trial.

The first image is made once without being counted, since libraries load and start up with it. The
trial then writes a few images as one shard into a temporary folder, and a shard without images,
which shows the fixed cost of a shard; together they give the cost of any number of shards. The time
is an upper bound where images are rows of Parquet files: a run reads a row group once for all
successive rows, the trial once per image.
"""

from __future__ import annotations

import math
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sysnoise.manifests.layout import receipt_path
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import DatasetKind, Duplicates
from sysnoise.pipelines.beam.options import Engine
from sysnoise.pipelines.errors import lines_of
from sysnoise.pipelines.generation.pipeline import check_request
from sysnoise.pipelines.planning.plan import PlanOptions, make_plan
from sysnoise.pipelines.planning.receipts import RejectedSample
from sysnoise.pipelines.planning.resume import Existing
from sysnoise.pipelines.readers.access import ReadSource, source_reader
from sysnoise.pipelines.readers.sources import Source, SourceSet
from sysnoise.pipelines.shards.shard import ShardSources, write_shard
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root, is_local, open_output
from sysnoise.pipelines.workers.cores import available_cores
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.grid import Grid
from sysnoise.transforms.quantities import counted, duration_text, size_text

TRIAL_SAMPLES = 32
TRIAL_SECONDS = 20.0
TRIAL_BYTES = 512 << 20
"""The trial ends at the first of these limits: samples, seconds, bytes in the temporary folder."""

SHOWN_GROUPS = 4
"""Number of groups of variants with equal pixels that are named."""

LABEL_WIDTH = 11
"""Number of characters before the text of a line."""

SET_FILES = {DatasetKind.IMAGENET: 9, DatasetKind.COCO: 11}
"""Number of files that no shard owns.

These are plan, sources, rejects, files, three of the card, sums and manifest; for COCO also two
files of annotations.
"""


@dataclass(frozen=True)
class Trial:
    """The cost of some samples, written as one shard.

    Attributes:
        samples: number of source images, rejects included.
        seconds: elapsed time, including reading the images.
        cpu_seconds: CPU time of this process.
        bytes: length of the files by format, and of the receipt as ``receipts``.
        files: number of files.
        rejects: the samples that were left out.
        equal: for each variant whose pixels are those of an earlier one on all samples, that one;
            both by their positions in the grid.
    """

    samples: int
    seconds: float
    cpu_seconds: float
    bytes: Mapping[str, int]
    files: int
    rejects: Sequence[RejectedSample]
    equal: Mapping[int, int]


@dataclass(frozen=True)
class Estimate:
    """The files and the time of a run, as estimated.

    Attributes:
        plan: the plan of the run.
        trial: the trial that the estimate rests on.
        files: number of files of the finished set.
        bytes: length of the shards' files by format, and of the receipts. Duplicates count in full;
            the tables of the whole set are left out.
        cpu_seconds: CPU time of all workers together.
        thousand_bytes: length of the files of 1,000 samples in full shards.
        thousand_cpu_seconds: their CPU time.
        processes: number of local worker processes that run in parallel; None with another runner.
        seconds: elapsed time without start-up, uploads and manifest; None where ``processes`` is.
        free_bytes: free space of the output's file system; None where it is not local.
    """

    plan: Plan
    trial: Trial
    files: int
    bytes: Mapping[str, float]
    cpu_seconds: float
    thousand_bytes: float
    thousand_cpu_seconds: float
    processes: int | None
    seconds: float | None
    free_bytes: int | None

    @property
    def total_bytes(self) -> float:
        """Bytes of all files."""
        return sum(self.bytes.values())

    @property
    def fits(self) -> bool:
        """Whether the output is likely to fit, as far as that is known."""
        return self.free_bytes is None or self.total_bytes <= self.free_bytes


def estimate(
    source: SourceSet,
    grid: Grid,
    output_url: str,
    options: PlanOptions,
    engine: Engine,
) -> Estimate:
    """Plan a set as ``generate`` does, and make a few of its samples.

    The arguments are those of ``generate``. Nothing is written to the output, whose content is not
    looked at; its file system is asked for free space.

    Raises:
        UsageError, InputError, OutputError: ``check_request`` refuses the request, or there is no
            such kind of output.
        ShardError: a source image cannot be read.
        OSError: the temporary folder cannot be written.
    """
    check_request(source, grid, options, Existing.RESUME)
    output = open_output(output_url)
    plan = make_plan(source, grid, options)
    prepare_libraries()
    read = source_reader(source.root, plan.max_bytes, plan.image_column)
    sources = spread_rows(source)
    _run_trial(plan, sources[:1], read)
    trial = _run_trial(plan, sources, read)
    empty = _run_trial(plan, [], read)
    processes = _processes(plan, engine)
    return Estimate(
        plan=plan,
        trial=trial,
        files=plan.shards * trial.files + SET_FILES[plan.kind],
        bytes={
            kind: extrapolated(plan, size, empty.bytes[kind], trial.samples)
            for kind, size in trial.bytes.items()
        },
        cpu_seconds=extrapolated(plan, trial.cpu_seconds, empty.cpu_seconds, trial.samples),
        thousand_bytes=_of_a_thousand(
            plan, sum(trial.bytes.values()), sum(empty.bytes.values()), trial.samples
        ),
        thousand_cpu_seconds=_of_a_thousand(
            plan, trial.cpu_seconds, empty.cpu_seconds, trial.samples
        ),
        processes=processes,
        seconds=None
        if processes is None
        else extrapolated(plan, trial.seconds, empty.seconds, trial.samples, processes),
        free_bytes=_free_bytes(output),
    )


def spread_rows(source: SourceSet) -> list[Source]:
    """Return rows of the table of sources, evenly spaced, in random order.

    The order matters if the trial ends early: the first ones are spread too.
    """
    samples = source.table.num_rows
    count = min(samples, TRIAL_SAMPLES)
    positions = [(2 * index + 1) * samples // (2 * count) for index in range(count)]
    random.Random(0).shuffle(positions)
    rows = (source.rows(position, position + 1).to_pylist() for position in positions)
    return [Source(**row) for (row,) in rows]


def _run_trial(plan: Plan, sources: Iterable[Source], read: ReadSource) -> Trial:
    """Make one shard of as many sources as the limits of the trial allow, and return its cost."""
    with tempfile.TemporaryDirectory() as folder:
        output = open_output(folder)
        start, cpu_start = time.perf_counter(), time.process_time()
        limited = ShardSources(_within_limits(sources, folder), read, lambda: None, {})
        receipt = write_shard(plan, 0, limited, output, lambda done, sample, step: None)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        receipt_bytes = len(read_file(output, receipt_path(plan.shard_name(0))))
    sizes: Counter[str] = Counter()
    for file in receipt.files:
        sizes[file.format] += file.bytes
    sizes["receipts"] = receipt_bytes
    return Trial(
        samples=receipt.samples + len(receipt.rejects),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        bytes=sizes,
        files=len(receipt.files) + 1,
        rejects=receipt.rejects,
        equal={
            position: min(earlier for earlier, count in counts.items() if count == receipt.samples)
            for position, counts in enumerate(receipt.shared)
            if receipt.samples in counts.values()
        },
    )


def _within_limits(sources: Iterable[Source], folder: str) -> Iterator[Source]:
    """Yield sources until the limits of the trial are reached, but at least one."""
    deadline = time.perf_counter() + TRIAL_SECONDS
    for source in sources:
        yield source
        files = (path.stat() for path in Path(folder).rglob("*"))
        if time.perf_counter() > deadline or sum(file.st_size for file in files) > TRIAL_BYTES:
            return


def extrapolated(plan: Plan, trial: float, empty: float, samples: int, processes: int = 1) -> float:
    """Return the cost of the shards of the busiest process.

    Args:
        plan: the plan of the run.
        trial: cost of the trial.
        empty: cost of a shard without samples.
        samples: number of samples of the trial.
        processes: number of processes that share the shards.
    """
    shards = math.ceil(plan.shards / processes)
    per_sample = _per_sample(trial, empty, samples)
    return shards * empty + min(plan.samples, shards * plan.samples_per_shard) * per_sample


def _of_a_thousand(plan: Plan, trial: float, empty: float, samples: int) -> float:
    """Return the cost of 1,000 samples in full shards; see :func:`extrapolated`."""
    return 1000 * (_per_sample(trial, empty, samples) + empty / plan.samples_per_shard)


def _per_sample(trial: float, empty: float, samples: int) -> float:
    return max(0.0, trial - empty) / samples


def _processes(plan: Plan, engine: Engine) -> int | None:
    if engine.local_workers is None:
        return None
    cores = available_cores()
    return min(engine.local_workers or cores, cores, plan.shards)


def _free_bytes(output: Root) -> int | None:
    if not is_local(output):
        return None
    path = Path(output.path)
    return shutil.disk_usage(next(each for each in (path, *path.parents) if each.exists())).free


def format_estimate(found: Estimate) -> str:
    """Return an estimate as text for a terminal."""
    plan, trial = found.plan, found.trial
    parts = ", ".join(f"{kind} {size_text(size)}" for kind, size in found.bytes.items())
    free = found.free_bytes
    lines = {
        "samples": f"{plan.samples:,} in {counted(plan.shards, 'shard')}",
        "variants": f"{len(plan.grid.variants):,} of {plan.grid.name}{_distinct_text(found)}",
        **_equal_line(found),
        "images": _images_text(plan),
        "files": f"{found.files:,}",
        "size": f"{size_text(found.total_bytes)}: {parts}"
        + (
            ""
            if plan.duplicates is Duplicates.STORE
            else "; --skip-duplicates will save some of it"
        ),
        "CPU time": f"{found.cpu_seconds / plan.samples:.3f} s per sample, "
        f"{duration_text(found.cpu_seconds)} in all",
        "time": _time_text(found),
        "per 1,000": f"{size_text(found.thousand_bytes)}, "
        f"{duration_text(found.thousand_cpu_seconds)} of CPU time",
        "tried": f"{counted(trial.samples, 'sample')} in {trial.seconds:.1f} s, "
        f"{len(trial.rejects)} rejected{_reasons_text(trial.rejects)}",
        "free": "unknown" if free is None else size_text(free),
    }
    rejects = [f"{each.key}: {each.reason}: {each.message}" for each in trial.rejects]
    return "\n".join(
        [
            f"dry run of {plan.kind.value} {plan.split}: nothing was written to the output",
            *(f"{label:<{LABEL_WIDTH}}{text}" for label, text in lines.items()),
            *(["rejected in the trial:", lines_of(rejects)] if rejects else []),
        ]
    )


def _reasons_text(rejects: Sequence[RejectedSample]) -> str:
    reasons = Counter(reject.reason for reject in rejects).most_common()
    return f" ({', '.join(f'{reason} {count}' for reason, count in reasons)})" if reasons else ""


def _distinct_text(found: Estimate) -> str:
    """Say how many variants have pixels of their own, as far as the trial tells."""
    trial = found.trial
    accepted = trial.samples - len(trial.rejects)
    if not accepted:
        return ""
    distinct = len(found.plan.grid.variants) - len(trial.equal)
    return f"; on {counted(accepted, 'sample')}, {distinct:,} have distinct pixels"


def _equal_line(found: Estimate) -> dict[str, str]:
    """Return a line with the first groups of variants that have equal pixels, if there are any."""
    ids = [variant.id for variant in found.plan.grid.variants]
    groups: dict[int, list[str]] = {}
    for position, first in found.trial.equal.items():
        groups.setdefault(first, [ids[first]]).append(ids[position])
    if not groups:
        return {}
    texts = [" = ".join(group) for group in groups.values()]
    more = [f"and {len(texts) - SHOWN_GROUPS} more"] if texts[SHOWN_GROUPS:] else []
    return {"equal": f"\n{'':<{LABEL_WIDTH}}".join([*texts[:SHOWN_GROUPS], *more])}


def _images_text(plan: Plan) -> str:
    if not plan.formats:
        return "none"
    count = plan.samples * len(plan.grid.variants) * len(plan.formats)
    formats = " and ".join(shard_format.value for shard_format in plan.formats)
    return f"{count:,} {plan.image_format} in {formats}"


def _time_text(found: Estimate) -> str:
    if found.seconds is None:
        return "unknown: depends on the workers of --runner"
    processes = counted(found.processes or 0, "process")
    return f"{duration_text(found.seconds)} with {processes}, without start-up and manifest"
