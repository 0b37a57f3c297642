"""The part of CONFIG.yaml that describes a detector."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from sysnoise.pipelines.evaluation.config_section import AUTO, MAPPING, ConfigSection, refused
from sysnoise.pipelines.evaluation.config_values import (
    MOST_ANCHORS,
    Background,
    anchors,
    entries,
    length,
    list_of,
    one_of,
    share,
    shown,
    text,
    whole_number,
)
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.model.boxes import Detector, Nms, NmsClasses
from sysnoise.transforms.model.heads import (
    Activation,
    AnchorEdges,
    AnchorLevel,
    AnchorsHead,
    AnchorSpacing,
    BoxesHead,
    BoxFormat,
    BoxUnits,
    Head,
    TensorAxes,
    TensorHead,
    TensorValue,
    YoloHead,
    YoloOutput,
)

Categories = tuple[int | None, ...]

_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
CATEGORIES: Mapping[str, Categories] = {
    "coco80": tuple(number for number in range(1, 91) if number not in _COCO_GAPS),
    "coco91": tuple(
        None if number == 0 or number in _COCO_GAPS else number for number in range(91)
    ),
}
"""The ids of the classes of common detectors: those of ``instances_val2017.json`` in their order,
and each in the place of its number."""

SCORE_THRESHOLD = 0.001
MAX_DETECTIONS = 100

MOST_DETECTIONS = 10_000
"""Largest ``max_detections``, where COCO counts 100 of a category."""
LARGEST_ID = 2**31 - 1
"""Largest id of a category, which the predictions hold as int32."""
LARGEST_STRIDE = 1024
"""Largest number of pixels of the input per cell."""


class HeadType(Enum):
    """How a detector's outputs hold boxes."""

    YOLO = "yolo"
    BOXES = "boxes"
    TENSOR = "tensor"
    ANCHORS = "anchors"


LEVEL_FIELDS = ("levels", "spacing", "center", "edges")
DETECTOR_FIELDS = (
    "head",
    "categories",
    "background",
    "score_threshold",
    "nms",
    "max_detections",
)


def read_detector(config: ConfigSection) -> Callable[[], Detector]:
    """Take what describes a detector from the whole config."""
    head = _read_head(config.section("head"))
    categories = _read_categories(config)
    score_threshold = config.take("score_threshold", share, SCORE_THRESHOLD)
    nms = _read_nms(config)
    most = config.take("max_detections", whole_number(MOST_DETECTIONS), MAX_DETECTIONS)
    return lambda: Detector(head(), categories(), score_threshold(), nms(), most())


def _read_head(head: ConfigSection) -> Callable[[], Head]:
    head.take("type", one_of(HeadType))
    readers: Mapping[str, Callable[[ConfigSection], Callable[[], Head]]] = {
        HeadType.YOLO.value: _read_grids,
        HeadType.BOXES.value: _read_boxes,
        HeadType.TENSOR.value: _read_tensor,
        HeadType.ANCHORS.value: _read_anchors,
    }
    kind = head.raw("type")
    return readers[kind](head) if isinstance(kind, str) and kind in readers else refused


def _read_grids(head: ConfigSection) -> Callable[[], YoloHead]:
    head.only("type", "outputs")
    grids = []
    names: list[object] = []
    for output in head.sections("outputs"):
        output.only("name", "anchors")
        grids.append((output.take_open("name", text, ""), output.take("anchors", anchors)))
        name = output.raw("name")
        if name and name != AUTO and name in names:
            output.report(("name",), f"{name!r} is used twice")
        names.append(name)
    if AUTO in names and set(names) != {AUTO}:
        head.report(("outputs",), f"say {AUTO} for the names of all outputs, or of none")
    return lambda: YoloHead(tuple(YoloOutput(name(), anchors()) for name, anchors in grids))


def _read_boxes(head: ConfigSection) -> Callable[[], BoxesHead]:
    head.only("type", "boxes", "scores", "labels", "format", "units", "activation", "masks")
    boxes, scores = head.take_open("boxes", text, ""), head.take_open("scores", text, "")
    labels, masks = _optional(head, "labels"), _optional(head, "masks")
    activation = _read_activation(head)
    box_format = head.take("format", one_of(BoxFormat))
    units = head.take("units", one_of(BoxUnits))
    return lambda: BoxesHead(
        boxes(), scores(), labels(), box_format(), units(), activation(), masks()
    )


def _optional(head: ConfigSection, name: str) -> Callable[[], str | None]:
    return head.take_open(name, text, "") if head.raw(name) is not None else lambda: None


def _read_activation(head: ConfigSection) -> Callable[[], Activation | None]:
    if head.raw("activation") in (None, "none"):
        return lambda: None
    return head.take("activation", one_of(Activation))


def _read_tensor(head: ConfigSection) -> Callable[[], TensorHead]:
    head.only("type", "output", "axes", "values", "format", "units", "strides")
    output = head.take_open("output", text, "")
    axes = head.take("axes", one_of(TensorAxes))
    values = head.take("values", _tensor_values)
    box_format = head.take("format", one_of(BoxFormat))
    units = head.take("units", one_of(BoxUnits))
    no_strides: tuple[int, ...] = ()
    strides = head.take("strides", list_of(whole_number(LARGEST_STRIDE)), no_strides)
    decoded = (BoxFormat.CXCYWH.value, BoxUnits.PIXELS.value)
    if head.raw("strides") is not None and (head.raw("format"), head.raw("units")) != decoded:
        head.report(("strides",), "goes with format cxcywh and units pixels only")
    return lambda: TensorHead(output(), axes(), values(), box_format(), units(), strides())


def _tensor_values(value: Any) -> tuple[TensorValue, ...]:
    values = list_of(one_of(TensorValue))(value)
    once = {name: values.count(name) for name in TensorValue if name is not TensorValue.OTHER}
    if max(once.values()) > 1:
        raise ValueError(f"only 'other' may be listed twice, found {shown(value)}")
    given = {name for name, count in once.items() if count} - {TensorValue.OBJECTNESS}
    choices = (
        {TensorValue.BOX, TensorValue.SCORES},
        {TensorValue.BOX, TensorValue.SCORE, TensorValue.LABEL},
    )
    if given not in choices:
        raise ValueError(
            "expected box, and scores or else score and label, with objectness where the model "
            f"gives it, found {shown(value)}"
        )
    return values


def _read_anchors(head: ConfigSection) -> Callable[[], AnchorsHead]:
    places = ("proposals",) if head.raw("proposals") is not None else LEVEL_FIELDS
    head.only("type", "scores", "deltas", "activation", "weights", "candidates", *places)
    scores, deltas = head.take_open("scores", text, ""), head.take_open("deltas", text, "")
    activation = _read_activation(head)
    weights = head.take("weights", _four_weights, (1.0, 1.0, 1.0, 1.0))
    candidates = _read_candidates(head)
    proposals = head.take("proposals", text) if "proposals" in places else lambda: None
    levels = (
        [] if "proposals" in places else [_read_level(each) for each in head.sections("levels")]
    )
    spacing = head.take("spacing", one_of(AnchorSpacing), AnchorSpacing.STRIDE)
    center = head.take("center", share, 0.0)
    edges = head.take("edges", one_of(AnchorEdges), AnchorEdges.EXACT)
    return lambda: AnchorsHead(
        scores=scores(),
        deltas=deltas(),
        activation=activation(),
        weights=weights(),
        proposals=proposals(),
        levels=tuple(level() for level in levels),
        spacing=spacing(),
        center=center(),
        edges=edges(),
        candidates=candidates(),
    )


def _read_candidates(head: ConfigSection) -> Callable[[], int | None]:
    if head.raw("candidates") is None:
        return lambda: None
    return head.take("candidates", whole_number(MOST_DETECTIONS))


def _read_level(level: ConfigSection) -> Callable[[], AnchorLevel]:
    """Take the anchors of a level, as widths and heights or by sizes and ratios."""
    stride = level.take("stride", whole_number(LARGEST_STRIDE))
    if level.raw("anchors") is not None:
        level.only("stride", "anchors")
        listed = level.take("anchors", anchors)
        return lambda: AnchorLevel(stride(), listed())
    level.only("stride", "sizes", "ratios", "scales")
    sizes = level.take("sizes", list_of(length))
    one: tuple[float, ...] = (1.0,)
    ratios = level.take("ratios", list_of(length), one)
    scales = level.take("scales", list_of(length), one)
    lists = [level.raw(name) for name in ("sizes", "ratios", "scales")]
    count = math.prod(len(each) for each in lists if isinstance(each, list))
    if count > MOST_ANCHORS:
        level.report((), f"expected at most {MOST_ANCHORS} anchors of a cell, found {count}")
    return lambda: AnchorLevel(stride(), _generated(sizes(), ratios(), scales()))


def _generated(
    sizes: Sequence[float], ratios: Sequence[float], scales: Sequence[float]
) -> tuple[tuple[float, float], ...]:
    """Return widths and heights: ratios of height to width, each with all sizes and scales.

    Source: Faster R-CNN (arXiv 1506.01497); the area of an anchor is the square of its size.
    """
    return tuple(
        (size * scale / math.sqrt(ratio), size * scale * math.sqrt(ratio))
        for ratio in ratios
        for size in sizes
        for scale in scales
    )


def _four_weights(value: Any) -> tuple[float, float, float, float]:
    weights = list_of(length)(value)
    if len(weights) != 4:
        raise ValueError(f"expected four numbers, for x, y, width and height, found {shown(value)}")
    return weights[0], weights[1], weights[2], weights[3]


def _read_nms(config: ConfigSection) -> Callable[[], Nms | None]:
    if config.raw("nms") == "none":
        return lambda: None
    nms = config.section("nms", f"{MAPPING}, or none")
    nms.only("iou", "classes")
    iou = nms.take("iou", share)
    classes = nms.take("classes", one_of(NmsClasses), NmsClasses.SEPARATE)
    return lambda: Nms(iou(), classes())


def _read_categories(config: ConfigSection) -> Callable[[], Categories]:
    """Take the categories, among which a background stands as None."""
    unknown: Categories = ()
    categories = config.take_open("categories", _categories, unknown)
    background = config.take("background", one_of(Background), Background.NONE)
    if config.raw("background") is not None and config.raw("categories") == AUTO:
        config.report(("background",), f"does not go with categories {AUTO}")
    first = {Background.FIRST: (None,)}
    last = {Background.LAST: (None,)}
    return lambda: (
        *first.get(background(), ()),
        *categories(),
        *last.get(background(), ()),
    )


def _categories(value: Any) -> Categories:
    if isinstance(value, str):
        if value not in CATEGORIES:
            raise ValueError(unknown_name("categories", value, (*CATEGORIES, AUTO)))
        return CATEGORIES[value]
    ids = entries(value)
    if not all(each is None or (type(each) is int and 0 <= each <= LARGEST_ID) for each in ids):
        raise ValueError(
            f"expected a name ({', '.join(CATEGORIES)}) or one id per class, null where a class "
            f"has none, found {shown(value)}"
        )
    known = [each for each in ids if each is not None]
    if not known:
        raise ValueError("expected at least one id")
    if len(set(known)) < len(known):
        raise ValueError("an id is listed twice")
    return tuple(ids)
