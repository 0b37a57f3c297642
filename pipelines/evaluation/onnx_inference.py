"""An ONNX model over images."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from sysnoise.pipelines.evaluation.config import Classifier, ModelConfig
from sysnoise.pipelines.evaluation.identity import refuse_other_runtime
from sysnoise.pipelines.evaluation.predictions import predicted_rows
from sysnoise.pipelines.evaluation.providers import Device, Provider
from sysnoise.pipelines.evaluation.records import Batch, ImageKey, Rows, RunBatch
from sysnoise.pipelines.evaluation.runtime import load_model, onnx_identity
from sysnoise.pipelines.storage.root import open_output
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.model.heads import lacks_images
from sysnoise.transforms.model.input import fit_image, input_tensor
from sysnoise.transforms.pixels import Pixels


@dataclass(frozen=True)
class OnnxInference:
    """An ONNX model that a run wrote, as :class:`~.records.Inference` describes it.

    Attributes:
        predictions_url: the folder of predictions, which holds the model.
        path: path of the model below that folder.
        sha256: sha256 of the model's file, in hexadecimal.
        config: config of the model.
        runtime: what else decides the last bits of a prediction: versions, CPU features, provider.
        provider: what runs it.
    """

    predictions_url: str = field(repr=False)
    path: str
    sha256: str
    config: ModelConfig
    runtime: Mapping[str, Any]
    provider: Provider

    @property
    def name(self) -> str:
        """The model's path."""
        return self.path

    @property
    def image_bytes(self) -> int:
        """The number of bytes of an image of the model's size."""
        return self.config.input.image_bytes

    def fit(self, image: Pixels) -> tuple[Pixels, Placement]:
        """Give an image the model's size."""
        return fit_image(image, self.config.input)

    def load(self) -> RunBatch:
        """Load the model of the run, in the runtime that the run started with.

        A GPU runs one batch at a time, while other threads decode images and read predictions.
        """
        refuse_other_runtime(self.runtime, onnx_identity(self.provider))
        root = open_output(self.predictions_url)
        session = load_model(root, self.path, self.sha256, self.provider)
        config = self.config
        on_cpu = self.provider.device is Device.CPU
        turn = contextlib.nullcontext() if on_cpu else threading.Lock()

        def run_batch(batch: Batch) -> Sequence[Any]:
            try:
                tensor = input_tensor([image for _, image in batch], config.input)
                with turn:
                    outputs = session.run(list(config.outputs), {config.input.name: tensor})
                return by_image(config, outputs, len(batch))
            except Exception as error:  # noqa: BLE001 - the runtime's errors have no common base.
                return [error] * len(batch)

        return run_batch

    def rows(self, key: ImageKey, outputs: Any) -> Rows:
        """Return what the outputs say, by the config."""
        return predicted_rows(self.config, key, outputs)


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
    task = config.task
    one = not isinstance(task, Classifier) and lacks_images(task.head, outputs[0].ndim)
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
