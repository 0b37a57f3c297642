"""Making one shard in this process, from a job that other processes can be sent."""

from __future__ import annotations

import functools
import traceback
from dataclasses import dataclass, field

from sysnoise.manifests.layout import EARLIER_PLAN, PLAN
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.errors import ChangedSourceError, InputError, OutputError, ShardError
from sysnoise.pipelines.planning.plan import current_identities, load_plan
from sysnoise.pipelines.planning.stamps import check_sources
from sysnoise.pipelines.readers.access import ReadSource, source_reader
from sysnoise.pipelines.shards.shard import OnSample, make_shard
from sysnoise.pipelines.storage.root import exists, open_output, open_root
from sysnoise.pipelines.workers.failures import Failure, FailureKind
from sysnoise.pipelines.workers.limits import check_open_files
from sysnoise.transforms.errors import GridError


@dataclass(frozen=True)
class ShardJob:
    """What a process must know to make the shards of a run.

    The URLs can hold passwords, so that runners, which print what they work on, do not see them.

    Attributes:
        source_root: folder or archive of the source images, path or fsspec URL.
        output_url: the output, which holds the plan, path or fsspec URL.
        fingerprint: fingerprint of the plan.
        stamps: path, in the output, of the stamps of the source files.
    """

    source_root: str = field(repr=False)
    output_url: str = field(repr=False)
    fingerprint: str
    stamps: str


def run_shard(job: ShardJob, shard: int, on_sample: OnSample) -> Failure | None:
    """Make one shard in this process; every error but a crash becomes a failure.

    Args:
        job: the job of the run.
        shard: number of the shard.
        on_sample: called for each sample.
    """
    try:
        plan, read = _open_job(job)
        output = open_output(job.output_url)
        check = functools.partial(check_sources, open_root(job.source_root), output, job.stamps)
        make_shard(plan, shard, read, check, output, on_sample)
    except ChangedSourceError as error:
        return Failure(shard, FailureKind.CHANGED_SOURCE, without_secrets(str(error)))
    except (InputError, ShardError, GridError) as error:
        return Failure(shard, FailureKind.SOURCE, without_secrets(str(error)))
    except OutputError as error:
        return Failure(shard, FailureKind.OUTPUT, without_secrets(str(error)))
    except Exception:  # noqa: BLE001 - Beam's local runner can hang where a step raises.
        trace = without_secrets(traceback.format_exc())
        message = f"shard {shard}: an error that should not happen:\n{trace}"
        return Failure(shard, FailureKind.INTERNAL, message)
    return None


@functools.lru_cache(maxsize=1)
def _open_job(job: ShardJob) -> tuple[Plan, ReadSource]:
    """Load the plan and check that this process makes the same pixels as it says.

    Raises:
        InputError: the source images are gone.
        OutputError: the plan is gone.
        ShardError: the output holds another plan, or this process has other library builds or CPU
            features.
        GridError: a method of the grid is not installed here.
    """
    prepare_libraries()
    output = open_output(job.output_url)
    try:
        plan = load_plan(output)
    except OSError as error:
        raise OutputError(f"reading {PLAN} of {job.output_url!r}: {error}") from error
    if plan.fingerprint != job.fingerprint:
        raise ShardError(
            f"{job.output_url!r} holds the plan {plan.fingerprint}, this run's is "
            f"{job.fingerprint}; do not start two runs on one output"
        )
    here = current_identities(plan.grid, plan.image_format)
    if here != plan.identities:
        raise ShardError(
            "this worker's libraries or CPU features differ from those in plan.json; install the "
            f"same versions on all workers. Planned: {plan.identities}; here: {here}"
        )
    earlier_files = len(plan.grid.variants) if exists(output, EARLIER_PLAN) else 0
    check_open_files(len(plan.grid.variants) * len(plan.formats) + earlier_files)
    return plan, source_reader(job.source_root, plan.max_bytes, plan.image_column)


def prepare_libraries() -> None:
    """Set thread pools to one thread, and lift Pillow's size limit: the plan has its own."""
    import cv2
    import pyarrow
    from PIL import Image

    cv2.setNumThreads(1)
    pyarrow.set_cpu_count(1)
    Image.MAX_IMAGE_PIXELS = None
