"""After a detector: from the outputs of its heads to boxes in a stored image."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class BoxOffset(Enum):
    """Whether the last pixel counts to a box: ``x2 = x1 + w - 1``; named as a noise."""

    NONE = "none"
    """A box ends behind its last pixel: ``x2 = x1 + w``."""
    DECODE = "box-offset-1-decode"
    """The last pixel counts where corners are computed from a size, and nowhere else."""
    ALL = "box-offset-1-all"
    """It counts there, in areas and overlaps, and in clipping."""


class BoxFormat(Enum):
    """What the four numbers of a box are."""

    XYXY = "xyxy"
    """The left, upper, right and lower edge."""
    XYWH = "xywh"
    """The left and upper edge, width and height."""
    CXCYWH = "cxcywh"
    """The center, width and height."""


class BoxUnits(Enum):
    """What the numbers of a box count."""

    PIXELS = "pixels"
    """Pixels of the model's input."""
    NORMALIZED = "normalized"
    """Widths and heights of the model's input."""


class NmsClasses(Enum):
    """Which boxes non-maximum suppression compares."""

    SEPARATE = "separate"
    """Those of one class."""
    TOGETHER = "together"
    """All."""


@dataclass(frozen=True)
class YoloOutput:
    """A grid of cells that each hold a box an anchor.

    Attributes:
        name: of the model's output, N x (anchors * (5 + classes)) x rows x columns.
        anchors: width and height of each in pixels of the input.
    """

    name: str
    anchors: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class YoloHead:
    """Grids of YOLO version 3.

    Attributes:
        outputs: the grids.
    """

    outputs: tuple[YoloOutput, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        return tuple(output.name for output in self.outputs)


@dataclass(frozen=True)
class BoxesHead:
    """Boxes that the model has decoded.

    Attributes:
        boxes: name of the output with the boxes, N x boxes x 4.
        scores: name of the output with the scores, 0 to 1: N x boxes x classes, or N x boxes where
            the model says which class.
        labels: name of the output with the classes, 0-based, N x boxes; None where scores are of
            all classes.
        format: what the four numbers of a box are.
        units: what they count.
    """

    boxes: str
    scores: str
    labels: str | None
    format: BoxFormat
    units: BoxUnits

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        return tuple(name for name in (self.boxes, self.scores, self.labels) if name is not None)


@dataclass(frozen=True)
class Nms:
    """Greedy non-maximum suppression.

    Attributes:
        iou: intersection over union above which the box of the lower score goes, 0 to 1.
        classes: which boxes are compared.
    """

    iou: float
    classes: NmsClasses = NmsClasses.SEPARATE


@dataclass(frozen=True)
class Detector:
    """What becomes of a detector's outputs.

    Attributes:
        head: how they hold boxes.
        categories: id of each class in the ground truth.
        score_threshold: detections need a higher score, 0 to 1.
        nms: None for models that did it themselves.
        max_detections: of an image; the best are kept.
    """

    head: YoloHead | BoxesHead
    categories: tuple[int, ...]
    score_threshold: float
    nms: Nms | None
    max_detections: int
