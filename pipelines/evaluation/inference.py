"""The steps of the evaluation's pipeline: images, model, predictions."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import onnxruntime
from apache_beam.ml.inference.base import PredictionResult
from apache_beam.ml.inference.onnx_inference import OnnxModelHandlerNumpy
from numpy.typing import NDArray

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.beam.local_run import current_run
from sysnoise.pipelines.errors import InputError, OutputError, ShardError, quoted
from sysnoise.pipelines.evaluation.config import Classifier, ModelConfig
from sysnoise.pipelines.evaluation.pixels import SampleRow, accepted_rows, opened_set, read_pixels
from sysnoise.pipelines.evaluation.predictions import ModelError, Rows, predicted_rows, write_part
from sysnoise.pipelines.evaluation.records import ImageKey, InferenceJob, Pass
from sysnoise.pipelines.evaluation.runtime import load_model, runtime_identity
from sysnoise.pipelines.storage.root import open_output
from sysnoise.pipelines.workers.job import Failure, FailureKind
from sysnoise.transforms.errors import GridError
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.model.input import InputSpec, fit_image, input_tensor
from sysnoise.transforms.model.heads import lacks_images
from sysnoise.transforms.pixels import Pixels

Batch = list[tuple[ImageKey, Pixels]]


class ReadImages(beam.DoFn):
    """Reads the images of passes over one shard: passes -> batches of (key, image).

    A batch holds consecutive images of one pass, so that what is run together, on which the last
    bits of a prediction may depend, is the same in every run.
    """

    def __init__(self, job: InferenceJob) -> None:
        """Take what a worker must know."""
        self._job = job

    def process(self, passes: Sequence[Pass]) -> Iterator[Batch]:
        """Yield the batches; a failure is reported to the local run, and raised elsewhere."""
        run = current_run()
        try:
            for batch in _batches(self._job, passes):
                if run is not None and run.is_stopped:
                    return
                yield batch
        except (SetError, GridError, InputError, OutputError, OSError) as error:
            _fail(passes[0].shard, FailureKind.SOURCE, str(error), error)
        except Exception as error:  # noqa: BLE001 - the local runner can hang where a step raises.
            _fail(passes[0].shard, FailureKind.INTERNAL, traceback.format_exc(), error)


def _batches(job: InferenceJob, passes: Sequence[Pass]) -> Iterator[Batch]:
    shard = passes[0].shard
    by_variant = {each.variant: each for each in passes}
    rows = accepted_rows(opened_set(job.set_url), shard, list(by_variant))
    waiting: dict[str, Batch] = {variant: [] for variant in by_variant}
    left = dict.fromkeys(by_variant, len(rows))
    images = read_pixels(job.set_url, job.images_url, shard, list(by_variant), rows)
    for variant, row, pixels in images:
        fitted, placement = _fitted(variant, row, pixels, job.config.input)
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
    variant: str, row: SampleRow, pixels: Pixels, spec: InputSpec
) -> tuple[Pixels, Placement]:
    """Fit an image here, because the images of a batch need one size in the model's step."""
    try:
        return fit_image(pixels, spec)
    except ValueError as error:
        raise InputError(f"sample {row['key']!r} of {variant!r}: {error}") from error


class SingleThreadedModel(OnnxModelHandlerNumpy):
    """Beam's handler of ONNX models, with one thread per worker, for a model that a run wrote."""

    def __init__(self, job: InferenceJob) -> None:
        """Take what a worker must know."""
        super().__init__(job.model)
        self._job = job

    def load_model(self) -> onnxruntime.InferenceSession:
        """Load the model of the run, in the runtime that the run started with."""
        job = self._job
        here = runtime_identity()
        if here != dict(job.runtime):
            raise ShardError(
                "this worker's libraries or CPU features differ from those in evaluation.yaml; "
                f"install the same versions on all workers. There: {dict(job.runtime)}; here: "
                f"{here}"
            )
        return load_model(open_output(job.predictions_url), job.model, job.model_sha256)

    def run_inference(
        self,
        batch: Sequence[Pixels],
        inference_session: onnxruntime.InferenceSession,
        inference_args: dict[str, Any] | None = None,
    ) -> list[PredictionResult]:
        """Run a batch of fitted images; where that fails, the error is the prediction.

        Beam's local runner can hang where a step raises. Images are not passed to the next step.
        """
        config = self._job.config
        try:
            feed = {config.input.name: input_tensor(batch, config.input)}
            outputs = inference_session.run(list(config.outputs), feed)
            predictions = by_image(config, outputs, len(batch))
        except Exception as error:  # noqa: BLE001
            return [PredictionResult(None, error)] * len(batch)
        return [PredictionResult(None, each) for each in predictions]


def by_image(
    config: ModelConfig, outputs: Sequence[NDArray[Any]], images: int
) -> list[tuple[NDArray[Any], ...]]:
    """Return the outputs of each image of a batch, without the first dimension, N.

    Args:
        config: config of the model.
        outputs: the outputs, in the order of ``config.outputs``.
        images: number of images of the batch.

    Raises:
        ValueError: their first dimension is not the number of images.
    """
    one = not isinstance(config.task, Classifier) and lacks_images(config.task.head, outputs[0].ndim)
    if images == 1 and one:
        return [tuple(outputs)]
    for name, output in zip(config.outputs, outputs, strict=True):
        _check_images(name, output.shape, images)
    return list(zip(*outputs, strict=True))


def _check_images(name: str, shape: tuple[int, ...], images: int) -> None:
    """Refuse outputs whose first dimension is not the number of images."""
    if shape[:1] != (images,):
        raise ValueError(
            f"output {name!r} has the shape {shape} for a batch of {images} images, whose number "
            "comes first; a model for one image at a time needs --batch-size 1"
        )


class WritePredictions(beam.DoFn):
    """Writes the predictions of a pass when its last image has come: (key, outputs) -> path."""

    def __init__(self, job: InferenceJob) -> None:
        """Take what a worker must know."""
        self._job = job
        self._rows: dict[Pass, list[Rows]] = {}
        self._failed: set[Pass] = set()

    def process(self, element: tuple[ImageKey, PredictionResult]) -> Iterator[str]:
        """Take an image; yield the paths of the parts that it completes."""
        key = element[0]
        outputs: Any = element[1].inference  # Its type is a variable of Beam's.
        if key.of in self._failed:
            return
        try:
            if isinstance(outputs, Exception):
                raise ModelError(f"on {key.of.variant!r}: {outputs}") from outputs
            rows = self._rows.setdefault(key.of, [])
            rows.append(predicted_rows(self._job.config, key, outputs))
            if len(rows) == key.images:
                yield from self._write(self._rows.pop(key.of), key.of)
        except ModelError as error:
            message = f"running {self._job.model!r} {error}"
            self._fail(key.of, FailureKind.MODEL, message, error)
        except OutputError as error:
            self._fail(key.of, FailureKind.OUTPUT, str(error), error)
        except Exception as error:  # noqa: BLE001 - the local runner can hang where a step raises.
            self._fail(key.of, FailureKind.INTERNAL, traceback.format_exc(), error)

    def _fail(self, of: Pass, kind: FailureKind, message: str, error: Exception) -> None:
        """Report the first failure of a pass; its other images are skipped."""
        self._failed.add(of)
        self._rows.pop(of, None)
        _fail(of.shard, kind, message, error)

    def _write(self, rows: Sequence[Rows], of: Pass) -> Iterator[str]:
        output = open_output(self._job.predictions_url)
        shards = opened_set(self._job.set_url).found.shards
        for target in of.targets:
            predicted = [row for each in rows for row in each[target.offset]]
            yield write_part(output, target.slug, of.shard, shards, predicted, self._job.config)


def _fail(shard: int, kind: FailureKind, message: str, error: Exception) -> None:
    run = current_run()
    text = without_secrets(f"shard {shard}: {message}")
    if run is None:
        raise ShardError(text) from error
    run.fail(Failure(shard, kind, text))
