"""A predictor of the user's own over images."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.manifests.imagenet_classes import CLASS_COUNT
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.evaluation.identity import refuse_other_runtime
from sysnoise.pipelines.evaluation.predictions import (
    TOP,
    ModelError,
    best_classes,
    class_row,
    result_rows,
)
from sysnoise.pipelines.evaluation.predictor import (
    Predictor,
    predictor_class,
    predictor_identity,
    told,
)
from sysnoise.pipelines.evaluation.records import Batch, ImageKey, Rows, RunBatch
from sysnoise.pipelines.scoring.result_files import LARGEST_PIXEL
from sysnoise.transforms.geometry import Placement, place_stretched
from sysnoise.transforms.model.boxes import BoxOffset
from sysnoise.transforms.model.masks import stored_mask
from sysnoise.transforms.pixels import Pixels, size_of
from sysnoise.transforms.targets import Rle

Floats = NDArray[np.float64]

MOST_BOXES = 10_000
"""Largest number of boxes of an image that are kept, the best; COCO counts 100 of a category."""
_BOX_FIELDS = ("boxes", "scores", "labels")


@dataclass(frozen=True)
class PredictorInference:
    """A predictor, as :class:`~.records.Inference` describes it.

    Attributes:
        predictor: what the user names.
        kind: kind of the dataset.
        document: what :func:`predictor_identity` said in the command's own process.
        image_bytes: the largest number of bytes of an image of the set.
        largest_label: the largest label that occurs in the set.
    """

    predictor: Predictor
    kind: DatasetKind
    document: Mapping[str, Any]
    image_bytes: int
    largest_label: int

    @property
    def name(self) -> str:
        """The predictor's reference."""
        return self.predictor.reference

    def fit(self, image: Pixels) -> tuple[Pixels, Placement]:
        """Return the image as it is."""
        return image, place_stretched(size_of(image), size_of(image))

    def load(self) -> RunBatch:
        """Make the instance, if this process has what the run was begun with.

        One process has one instance, whose calls do not overlap: most frameworks have threads of
        their own, and some instances cannot be called by two threads. Where it cannot be made,
        every batch fails: Beam's local runner can hang where a model is not loaded.
        """
        given = self.predictor
        refuse_other_runtime(self.document, predictor_identity(given).document)
        try:
            predict = predictor_class(given.reference)(given.device)
        except Exception as error:  # noqa: BLE001 - it is the user's own code.
            doing = f"making the predictor {given.reference!r} with the device {given.device!r}"
            failure = ModelError(told(doing, error))
            return lambda batch: [failure] * len(batch)
        one_at_a_time = threading.Lock()

        def run_batch(batch: Batch) -> Sequence[Any]:
            try:
                with one_at_a_time:
                    found = predict([image for _, image in batch], [key.key for key, _ in batch])
                return _one_per_image(found, len(batch))
            except ModelError as error:
                return [error] * len(batch)
            except Exception as error:  # noqa: BLE001 - it is the user's own code.
                keys = quoted([key.key for key, _ in batch])
                failure = ModelError(told(f"the predictor failed on samples {keys}", error))
                return [failure] * len(batch)

        return run_batch

    def rows(self, key: ImageKey, outputs: Any) -> Rows:
        """Return the prediction for an image; it is checked."""
        try:
            if self.kind is DatasetKind.IMAGENET:
                return {BoxOffset.NONE: [class_row(key, self._classes(outputs))]}
            return {BoxOffset.NONE: _boxes(key, outputs)}
        except (TypeError, ValueError) as error:
            raise ModelError(f"on sample {key.key!r} of {key.of.variant!r}: {error}") from error

    def _classes(self, outputs: Any) -> list[int]:
        values = np.asarray(outputs)
        if values.ndim == 1 and values.dtype.kind == "f":
            if len(values) <= self.largest_label:
                raise ValueError(
                    f"{len(values)} scores, but the set has labels up to {self.largest_label}"
                )
            if len(values) == CLASS_COUNT + 1:
                raise ValueError(
                    f"{len(values)} scores, but ImageNet has {CLASS_COUNT} classes: leave that of "
                    "the background out"
                )
        return _predicted_classes(values)


def _one_per_image(found: Any, images: int) -> list[Any]:
    if isinstance(found, Mapping) or not hasattr(found, "__iter__"):
        raise ModelError(f"expected one prediction per image, found {type(found).__name__}")
    predictions = list(found)
    if len(predictions) != images:
        raise ModelError(f"it gives {len(predictions)} predictions for {images} images")
    return predictions


def _predicted_classes(values: NDArray[Any]) -> list[int]:
    """Return the five best classes, from one score per class or from the classes themselves."""
    if values.ndim != 1 or len(values) < TOP:
        raise ValueError(
            f"expected one score for each of {TOP} classes or more, or the {TOP} best classes as "
            f"whole numbers, found the shape {values.shape}"
        )
    if values.dtype.kind in "iu":
        best = [int(each) for each in values[:TOP]]
        if min(best) < 0 or len({*best}) < TOP:
            raise ValueError(f"expected {TOP} different classes from 0 on, found {best}")
        return best
    if values.dtype.kind != "f":
        raise ValueError(f"expected scores or classes, found elements of {values.dtype}")
    return best_classes(values, "the prediction")


def _boxes(key: ImageKey, output: Any) -> list[dict[str, Any]]:
    """Return the boxes of an image in COCO's results format, the best first."""
    if not isinstance(output, Mapping) or not {*_BOX_FIELDS} <= output.keys():
        found = sorted(map(str, output)) if isinstance(output, Mapping) else type(output).__name__
        raise ValueError(f"expected a mapping with {', '.join(_BOX_FIELDS)}, found {found}")
    boxes, scores, labels = (np.asarray(output[field]) for field in _BOX_FIELDS)
    if not boxes.size:  # An empty list has one dimension.
        boxes = boxes.reshape(0, 4)
    count = len(scores) if scores.ndim else -1
    shapes = (boxes.shape, scores.shape, labels.shape)
    if shapes != ((count, 4), (count,), (count,)):
        raise ValueError(
            "expected n x 4 boxes, n scores and n labels, found the shapes "
            f"{', '.join(map(str, shapes))}"
        )
    if count and (labels.dtype.kind not in "iu" or labels.min() < 0):
        raise ValueError("expected ids of categories as labels: whole numbers from 0 on")
    corners, scores = boxes.astype(np.float64), scores.astype(np.float64)
    known = np.flatnonzero(np.isfinite(corners).all(axis=1) & np.isfinite(scores))
    order = known[np.argsort(-scores[known], kind="stable")][:MOST_BOXES]
    corners = corners[order]
    if np.abs(corners).max(initial=0) > LARGEST_PIXEL:
        raise ValueError(f"expected boxes in pixels, found {np.abs(corners).max()}")
    lower, upper = corners[:, :2], corners[:, 2:]
    sized = np.hstack([lower, np.maximum(upper - lower, 0)])
    masks = _masks(key, output["masks"], count, order) if "masks" in output else None
    return result_rows(key.image_id, labels[order].tolist(), sized, scores[order], masks)


def _masks(key: ImageKey, given: Any, count: int, order: NDArray[np.intp]) -> list[Rle]:
    """Return the masks of the chosen boxes."""
    masks = np.asarray(given)
    masks = masks[:, 0] if masks.ndim == 4 and masks.shape[1] == 1 else masks
    if masks.ndim != 3 or len(masks) != count:
        raise ValueError(
            f"expected one mask of the image's size for each of {count} boxes, found the shape "
            f"{masks.shape}"
        )
    return [stored_mask(masks[place], key.placement) for place in order]
