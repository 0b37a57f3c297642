"""What scoring is asked for, and what a model's predictions come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.scoring.statistics import Replicates


class Coverage(Enum):
    """Which images are scored."""

    WHOLE = "whole"
    """All that the set holds; predictions for others, or for less, are refused."""
    COMMON = "common"
    """Those that the set holds and all settings of a model have predictions for."""


class Intervals(Enum):
    """Whether figures get intervals; for detectors, these are most of the work."""

    BOOTSTRAP = "bootstrap"
    NONE = "none"


class Counting(Enum):
    """Which methods of a noise count."""

    DISTINCT = "distinct"
    """One of those that have the same pixels on every image, none that has the baseline's."""
    ALL = "all"
    """Each, as in the paper."""


@dataclass(frozen=True)
class Figures:
    """What a setting of a model comes to.

    Attributes:
        metrics: in percent by name, the table's own first; None where one has no value.
        replicates: the table's metric on every resample of the images, in percent; NaN where no
            intervals are wanted.
        flip_rate: share of images, in percent, whose class is not the baseline's; None of
            detection.
        mcnemar_p: exact two-sided p against the baseline; None of detection.
    """

    metrics: Mapping[str, float | None]
    replicates: Replicates
    flip_rate: float | None = None
    mcnemar_p: float | None = None


@dataclass(frozen=True)
class PredictedClasses:
    """What a classifier says of the images that were scored.

    Attributes:
        keys: of the images, in key order.
        shards: number of the shard that holds each, shape (images,).
        labels: their classes, shape (images,).
        classes: the predicted ones by setting, int32, shape (images,).
    """

    keys: Sequence[str]
    shards: NDArray[np.int32]
    labels: NDArray[np.int64]
    classes: Mapping[Setting, NDArray[np.int32]]


@dataclass(frozen=True)
class Scored:
    """A model's predictions, scored.

    Attributes:
        images: number of images that were scored.
        settings: figures by setting.
        notes: what a reader of the figures has to know.
        predicted: the classes behind the figures; None of detection.
    """

    images: int
    settings: Mapping[Setting, Figures]
    notes: tuple[str, ...]
    predicted: PredictedClasses | None = None
