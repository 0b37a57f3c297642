"""What scoring is asked for, and the figures that it gives for a model's predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.scoring.result_files import ResultDetections
from sysnoise.pipelines.scoring.statistics import Replicates


class Coverage(Enum):
    """Which images are scored."""

    WHOLE = "whole"
    """All images of the set are scored; predictions that lack some or have others are refused."""
    COMMON = "common"
    """The images of the set are scored for which all settings of a model have predictions."""


class Intervals(Enum):
    """Whether figures get intervals; for detectors, these are most of the work."""

    BOOTSTRAP = "bootstrap"
    NONE = "none"


class Counting(Enum):
    """Which methods of a noise count."""

    DISTINCT = "distinct"
    """One of several methods counts if their pixels are the same on every image; a method with the
    baseline's pixels does not count."""
    ALL = "all"
    """Each method counts, as in the paper."""


@dataclass(frozen=True)
class Figures:
    """The figures of a setting of a model.

    Attributes:
        metrics: the metrics in percent by name; the first is the table's own and always has a
            value, the others are None where they have none.
        replicates: the table's metric on every resample of the images, in percent; NaN where no
            intervals are wanted.
        flip_rate: the share of images, in percent, whose class is not the baseline's; None for
            detection.
        mcnemar_p: the exact two-sided p against the baseline; None for detection.
    """

    metrics: Mapping[str, float | None]
    replicates: Replicates
    flip_rate: float | None = None
    mcnemar_p: float | None = None

    @property
    def metric(self) -> float:
        """The table's own metric, in percent.

        Raises:
            ValueError: it has no value.
        """
        name, value = next(iter(self.metrics.items()))
        if value is None:
            raise ValueError(f"{name} is the table's own metric, but has no value")
        return value


@dataclass(frozen=True)
class PredictedClasses:
    """What a classifier predicts for the images that were scored.

    Attributes:
        keys: the keys of the images, in key order.
        shards: the number of the shard that holds each image, shape (images,).
        labels: the classes of the images, shape (images,).
        classes: the predicted classes by setting, int32, shape (images,).
    """

    keys: Sequence[str]
    shards: NDArray[np.int32]
    labels: NDArray[np.int64]
    classes: Mapping[Setting, NDArray[np.int32]]


@dataclass(frozen=True)
class DetectedBoxes:
    """The boxes that a detector is sure of, in the images that were scored.

    Attributes:
        image_ids: COCO's ids of the images, in ascending order.
        detections: the boxes by setting, in pixels of the stored images, in the order in which they
            were predicted.
    """

    image_ids: Sequence[int]
    detections: Mapping[Setting, ResultDetections]


@dataclass(frozen=True)
class Scored:
    """A model's predictions, scored.

    Attributes:
        images: the number of images that were scored.
        settings: the figures by setting.
        notes: what a reader of the figures has to know.
        predicted: what is behind the figures; None where a detector finds masks alone.
    """

    images: int
    settings: Mapping[Setting, Figures]
    notes: tuple[str, ...]
    predicted: PredictedClasses | DetectedBoxes | None = None
