"""Heads: how the outputs of a detector hold boxes, scores and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class BoxFormat(Enum):
    """The meaning of the four numbers of a box."""

    XYXY = "xyxy"
    """The left, upper, right and lower edge."""
    YXYX = "yxyx"
    """The upper, left, lower and right edge."""
    XYWH = "xywh"
    """The left and upper edge, width and height."""
    CXCYWH = "cxcywh"
    """The center, width and height."""


class BoxUnits(Enum):
    """The unit of the numbers of a box."""

    PIXELS = "pixels"
    """Pixels of the model's input."""
    NORMALIZED = "normalized"
    """Fractions of the width and height of the model's input."""


class Activation(Enum):
    """The function that makes scores, 0 to 1, of what a model gives."""

    SIGMOID = "sigmoid"
    """Of each number by itself."""
    SOFTMAX = "softmax"
    """Of all classes of a box together."""


class TensorAxes(Enum):
    """The order of the dimensions of a head of one tensor, after that of the images."""

    BOXES_VALUES = "boxes-values"
    VALUES_BOXES = "values-boxes"


class TensorValue(Enum):
    """What a head of one tensor holds for each box."""

    BOX = "box"
    """Four numbers."""
    OBJECTNESS = "objectness"
    """A factor of all scores of the box."""
    SCORES = "scores"
    """One score per class."""
    SCORE = "score"
    """The score of the class."""
    LABEL = "label"
    """The class, 0-based."""
    OTHER = "other"
    """A number that is not read, such as that of the image."""


NUMBERS: Mapping[TensorValue, int] = {
    value: 4 if value is TensorValue.BOX else 1
    for value in TensorValue
    if value is not TensorValue.SCORES
}
"""How many numbers of a box a value is; as many scores as there are classes."""


class AnchorSpacing(Enum):
    """The distance between the anchors of neighboring cells."""

    STRIDE = "stride"
    """The stride of the level."""
    GRID = "grid"
    """The side of the input divided by the number of cells, rounded down, as in torchvision."""


class AnchorEdges(Enum):
    """Where the edges of anchors around a cell's point are."""

    EXACT = "exact"
    """At half of their size."""
    ROUNDED = "rounded"
    """At half of their size, rounded to whole pixels, as in torchvision."""


@dataclass(frozen=True)
class YoloOutput:
    """A grid of cells that each hold one box per anchor.

    Attributes:
        name: the name of the model's output, N x (anchors * (5 + classes)) x rows x columns.
        anchors: the width and height of each anchor in pixels of the input.
    """

    name: str
    anchors: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class YoloHead:
    """The head of YOLO version 3.

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
    """The head of a model that decodes its boxes itself.

    Models for one image at a time may leave out the first dimension, N, of all outputs.

    Attributes:
        boxes: the name of the output with the boxes, N x boxes x 4, or N x boxes x 1 x 4.
        scores: the name of the output with the scores: N x boxes x classes, or N x boxes where
            there is an output with the classes.
        labels: the name of the output with the classes, 0-based, N x boxes; None where there are
            scores of all classes.
        format: the meaning of the four numbers of a box.
        units: the unit of these numbers.
        activation: what makes scores of 0 to 1; None where the model gives these.
        masks: the name of an output with the probability, 0 to 1, of each pixel of the input, N x
            boxes x 1 x height x width; None where there is none.
    """

    boxes: str
    scores: str
    labels: str | None
    format: BoxFormat
    units: BoxUnits
    activation: Activation | None = None
    masks: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        named = (self.boxes, self.scores, self.labels, self.masks)
        return tuple(name for name in named if name is not None)


@dataclass(frozen=True)
class TensorHead:
    """The head of a model with all boxes in one tensor.

    Models for one image at a time may leave out the first dimension, N.

    Attributes:
        output: the name of the output, N x boxes x values or N x values x boxes.
        axes: the order of these dimensions.
        values: what each box has, in the order of the numbers.
        format: the meaning of the four numbers of a box.
        units: the unit of these numbers.
        strides: the pixels of the input per cell of each grid, where a box is relative to its cell
            (YOLOX); empty where the model has decoded the boxes.
    """

    output: str
    axes: TensorAxes
    values: tuple[TensorValue, ...]
    format: BoxFormat
    units: BoxUnits
    strides: tuple[int, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        return (self.output,)

    def width(self, classes: int) -> int:
        """Return how many numbers a box has, with this number of classes."""
        return sum(NUMBERS.get(value, classes) for value in self.values)


@dataclass(frozen=True)
class AnchorLevel:
    """The anchors over one feature map.

    Attributes:
        stride: the pixels of the input per cell.
        anchors: the width and height of each anchor of a cell in pixels.
    """

    stride: int
    anchors: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class AnchorsHead:
    """The head of a model whose boxes are relative to anchors, which the model does not give.

    Models for one image at a time may leave out the first dimension, N, of all outputs.

    Attributes:
        scores: the name of the output with the scores, N x anchors x classes.
        deltas: the name of the output with the boxes, N x anchors x 4 for all classes together, or
            N x anchors x (classes * 4).
        activation: what makes scores of 0 to 1; None where the model gives these.
        weights: what the four numbers of a box are divided by.
        proposals: the name of an output with the corners of boxes in pixels of the input, N x
            anchors x 4, which stand for the anchors; None where there are levels.
        levels: the anchors, in the order of the outputs; none where there are proposals.
        spacing: the distance between the anchors of neighboring cells.
        center: the point of a cell around which its anchors are, as a fraction of the distance.
        edges: where the edges of anchors are.
        candidates: how many boxes of one class of each level are decoded, the best; None for all
            above the threshold.
    """

    scores: str
    deltas: str
    activation: Activation | None
    weights: tuple[float, float, float, float]
    proposals: str | None
    levels: tuple[AnchorLevel, ...]
    spacing: AnchorSpacing
    center: float
    edges: AnchorEdges
    candidates: int | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        named = (self.scores, self.deltas, self.proposals)
        return tuple(name for name in named if name is not None)


Head = YoloHead | BoxesHead | TensorHead | AnchorsHead


def lacks_images(head: Head, dimensions: int) -> bool:
    """Return whether outputs are those of one image, without the first dimension, N.

    Args:
        head: how the outputs hold boxes.
        dimensions: the number of dimensions of the first of its outputs.
    """
    return not isinstance(head, YoloHead) and dimensions == 2
