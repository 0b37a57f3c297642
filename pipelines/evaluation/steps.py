"""The steps of the pipeline on Beam's runners: shards -> RunInference -> predictions.

The pipeline is one linear chain, and all of it works in one process, so that images pass between
its steps without being copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference

from sysnoise.pipelines.evaluation.inference import PartWriter, read_batches
from sysnoise.pipelines.evaluation.records import (
    Batch,
    ImageKey,
    Inference,
    InferenceJob,
    Pass,
    RunBatch,
)
from sysnoise.transforms.pixels import Pixels


def add_steps(pipeline: beam.Pipeline, job: InferenceJob, elements: Iterable[object]) -> object:
    """Add the steps; an element is a sequence of passes over one shard."""
    return (
        pipeline
        | "Passes" >> beam.Create(elements)
        | "ReadImages" >> beam.ParDo(ReadImages(job))  # [(key, image), ...]
        | "RunInference" >> RunInference(LoadedInference(job.inference).with_no_batching())
        | "WritePredictions" >> beam.ParDo(WritePredictions(job))
    )


class ReadImages(beam.DoFn):
    """Reads the images of passes over one shard: passes -> batches of (key, image)."""

    def __init__(self, job: InferenceJob) -> None:
        """Take what a worker must know."""
        self._job = job

    def process(self, passes: Sequence[Pass]) -> Iterator[Batch]:
        """Yield the batches."""
        return read_batches(self._job, passes)


class LoadedInference(ModelHandler[tuple[ImageKey, Pixels], Any, RunBatch]):
    """Beam's handler of what runs over images. Images are not passed to the next step."""

    def __init__(self, inference: Inference) -> None:
        """Take what a worker must know."""
        self._inference = inference

    def load_model(self) -> RunBatch:
        """Load it, once per process."""
        return self._inference.load()

    def run_inference(
        self, batch: Batch, model: RunBatch, inference_args: dict[str, Any] | None = None
    ) -> Iterable[tuple[ImageKey, PredictionResult]]:
        """Run a batch; where that fails, the errors are the predictions.

        Beam's local runner can hang where a step raises.
        """
        outputs = model(batch)
        return [
            (key, PredictionResult(None, each))
            for (key, _), each in zip(batch, outputs, strict=True)
        ]


class WritePredictions(beam.DoFn):
    """Writes the predictions: (key, outputs) -> nothing."""

    def __init__(self, job: InferenceJob) -> None:
        """Take what a worker must know."""
        self._writer = PartWriter(job)

    def process(self, element: tuple[ImageKey, PredictionResult]) -> None:
        """Take the outputs for an image."""
        key, result = element
        outputs: Any = result.inference  # Its type is a variable of Beam's.
        self._writer.take(key, outputs)
