"""What an evaluation does with the images of a shard: reading, running the model, writing."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.beam.local_run import current_run
from sysnoise.pipelines.errors import InputError, OutputError, ShardError, quoted
from sysnoise.pipelines.evaluation.pixels import accepted_rows, opened_set, read_pixels
from sysnoise.pipelines.evaluation.predictions import ModelError, write_part
from sysnoise.pipelines.evaluation.records import (
    Batch,
    ImageKey,
    Inference,
    InferenceJob,
    Pass,
    Rows,
    RunBatch,
    SampleRow,
)
from sysnoise.pipelines.storage.root import open_output
from sysnoise.pipelines.workers.failures import Failure, FailureKind
from sysnoise.transforms.errors import GridError
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.pixels import Pixels


def predict(job: InferenceJob, run_batch: RunBatch, passes: Sequence[Pass]) -> None:
    """Make the predictions of passes over one shard; a failure is reported to the local run."""
    writer = PartWriter(job)
    for batch in read_batches(job, passes):
        for (key, _), outputs in zip(batch, run_batch(batch), strict=True):
            writer.take(key, outputs)


def read_batches(job: InferenceJob, passes: Sequence[Pass]) -> Iterator[Batch]:
    """Yield the images of passes over one shard; a failure is reported to the local run.

    A batch holds consecutive images of one pass, so that what is run together, on which the last
    bits of a prediction may depend, is the same in every run.

    Raises:
        ShardError: they cannot be read, and this process has no local run.
    """
    run = current_run()
    try:
        for batch in _batches(job, passes):
            if run is not None and run.is_stopped:
                return
            yield batch
    except (SetError, GridError, InputError, OutputError, OSError) as error:
        _fail(passes[0].shard, FailureKind.SOURCE, str(error), error)
    except Exception as error:  # noqa: BLE001 - Beam's local runner can hang where a step raises.
        _fail(passes[0].shard, FailureKind.INTERNAL, traceback.format_exc(), error)


def _batches(job: InferenceJob, passes: Sequence[Pass]) -> Iterator[Batch]:
    shard = passes[0].shard
    by_variant = {each.variant: each for each in passes}
    rows = accepted_rows(opened_set(job.set_url), shard, list(by_variant))
    waiting: dict[str, list[tuple[ImageKey, Pixels]]] = {variant: [] for variant in by_variant}
    left = dict.fromkeys(by_variant, len(rows))
    images = read_pixels(job.set_url, job.images_url, shard, list(by_variant), rows)
    for variant, row, pixels in images:
        fitted, placement = _fitted(variant, row, pixels, job.inference)
        of = by_variant[variant]
        key = ImageKey(of, len(rows), row["key"], row.get("image_id"), placement)
        waiting[variant].append((key, fitted))
        left[variant] -= 1
        if len(waiting[variant]) == job.batch_size or not left[variant]:
            yield waiting[variant]
            waiting[variant] = []
    if any(left.values()):
        lacking = [variant for variant, count in left.items() if count]
        raise SetError(
            f"{job.set_url!r} holds other samples in {quoted(lacking)} than its table says; see "
            "'sysnoise verify'"
        )


def _fitted(
    variant: str, row: SampleRow, pixels: Pixels, inference: Inference
) -> tuple[Pixels, Placement]:
    """Fit an image here, because the images of a batch need one size in the model's step."""
    try:
        return inference.fit(pixels)
    except ValueError as error:
        raise InputError(f"sample {row['key']!r} of {variant!r}: {error}") from error


class PartWriter:
    """Writes the predictions of a pass when the outputs for its last image have come."""

    def __init__(self, job: InferenceJob) -> None:
        """Take what a worker must know."""
        self._job = job
        self._rows: dict[Pass, list[Rows]] = {}
        self._failed: set[Pass] = set()

    def take(self, key: ImageKey, outputs: Any) -> None:
        """Take the outputs for an image; a failure is reported to the local run.

        Raises:
            ShardError: they failed, and this process has no local run.
        """
        if key.of in self._failed:
            return
        try:
            if isinstance(outputs, Exception):
                raise ModelError(f"on {key.of.variant!r}: {outputs}") from outputs
            rows = self._rows.setdefault(key.of, [])
            rows.append(self._job.inference.rows(key, outputs))
            _count(key.of, len(rows))
            if len(rows) == key.images:
                self._write(self._rows.pop(key.of), key.of)
                _count(key.of, key.images, files=len(key.of.targets))
        except ModelError as error:
            message = f"running {self._job.inference.name!r} {error}"
            self._fail(key.of, FailureKind.MODEL, message, error)
        except OutputError as error:
            self._fail(key.of, FailureKind.OUTPUT, str(error), error)
        except Exception as error:  # noqa: BLE001 - Beam's local runner can hang where a step raises.
            self._fail(key.of, FailureKind.INTERNAL, traceback.format_exc(), error)

    def _fail(self, of: Pass, kind: FailureKind, message: str, error: Exception) -> None:
        """Report the first failure of a pass; its other images are skipped."""
        self._failed.add(of)
        self._rows.pop(of, None)
        _count(of, 0)
        _fail(of.shard, kind, message, error)

    def _write(self, rows: Sequence[Rows], of: Pass) -> None:
        output = open_output(self._job.predictions_url)
        tables = opened_set(self._job.set_url)
        shards = tables.found.shards
        for target in of.targets:
            predicted = [row for each in rows for row in each[target.offset]]
            write_part(output, target.slug, of.shard, shards, predicted, tables.kind)


def _count(of: Pass, images: int, files: int = 0) -> None:
    """Note in the local run, if there is one, how much of a pass is done."""
    run = current_run()
    if run is not None:
        run.count(of, images, files)


def _fail(shard: int, kind: FailureKind, message: str, error: Exception) -> None:
    run = current_run()
    text = without_secrets(f"shard {shard}: {message}")
    if run is None:
        raise ShardError(text) from error
    run.fail(Failure(shard, kind, text))
