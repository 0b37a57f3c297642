"""Values that a config leaves to the model or to the set: ``auto``, and ``size: any``."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.evaluation.config_heads import CATEGORIES, Categories
from sysnoise.pipelines.evaluation.config_section import AUTO
from sysnoise.pipelines.evaluation.config_values import LONGEST_SIDE
from sysnoise.pipelines.evaluation.model_tensors import FLOATS, Shape, TensorInfo, Tensors, written
from sysnoise.transforms.model.boxes import Detector
from sysnoise.transforms.model.heads import AnchorsHead, BoxesHead, Head, TensorHead, YoloHead
from sysnoise.transforms.model.input import InputFit, InputSpec, InputType, Layout
from sysnoise.transforms.pixels import Size
from sysnoise.transforms.problems import DocumentPath, DocumentProblem

NAMES = "names"
"""The metadata in which Ultralytics' exporter lists the names of the classes."""
SIDES = "imgsz"
"""Its metadata with the height and width that a model of any size was exported for."""
KNOWN_CATEGORIES = "coco80"
"""Those of a model that does not name its classes, unless the config says others."""


LONGEST_METADATA = 2**18
"""Characters of metadata that are read: names of a thousand classes have some 20,000."""


class _UnknownError(ValueError):
    """A value that the model does not say.

    Attributes:
        field: the field of the head, where it is one of several.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


Open = Sequence[DocumentPath]


def completed_input(
    spec: InputSpec,
    left_open: Open,
    inputs: Tensors,
    metadata: Mapping[str, str],
    common: Size,
) -> tuple[InputSpec, list[DocumentProblem]]:
    """Fill in what a config leaves open about the input.

    Args:
        spec: the input as the config has it.
        left_open: places of the values that the config leaves open.
        inputs: inputs that get images; the only one is meant where the config has no name.
        metadata: what the exporter wrote beside the graph.
        common: a common size of the images, where the model takes images of any size.

    Returns:
        The input, and what the model does not say.
    """
    problems: list[DocumentProblem] = []
    if ("input", "name") in left_open:
        names = [*inputs] if len(inputs) == 1 else _images(inputs)
        if len(names) != 1:
            text = f"the model has {quoted(list(inputs))}: say which gets the images"
            return spec, [(("input", "name"), text)]
        spec = dataclasses.replace(spec, name=names[0])
    found = inputs.get(spec.name)
    shape = found.shape if found is not None else None
    if ("input", "layout") in left_open:
        spec = dataclasses.replace(spec, layout=_layout(shape))
    if ("input", "dtype") in left_open and found is not None:
        halves = found.type == InputType.FLOAT16.value
        spec = dataclasses.replace(spec, type=InputType.FLOAT16 if halves else InputType.FLOAT32)
    if ("input", "size") in left_open:
        try:
            spec = _sized(spec, shape, metadata, ("input", "fit") in left_open)
        except _UnknownError as error:
            problems.append((("input", "size"), str(error)))
    if spec.fit is InputFit.PAD:
        height, width = (_up(side, spec.multiple or 1) for side in (common.height, common.width))
        spec = dataclasses.replace(spec, height=height, width=width)
    return spec, problems


def _images(inputs: Tensors) -> list[str]:
    """Return the inputs that may be images, with three channels."""
    shapes = {name: each.shape or () for name, each in inputs.items()}
    return [name for name, shape in shapes.items() if len(shape) in (3, 4) and 3 in shape]


def _layout(shape: Shape | None) -> Layout:
    """Return the layout in which the dimension of three is that of the channels."""
    if shape is not None and len(shape) in (3, 4) and shape[-1] == 3 and shape[-3] != 3:
        return Layout.HWC if len(shape) == 3 else Layout.NHWC
    return Layout.CHW if shape is not None and len(shape) == 3 else Layout.NCHW


def _sized(
    spec: InputSpec, shape: Shape | None, metadata: Mapping[str, str], fit_open: bool
) -> InputSpec:
    """Return the input with the model's size, and with the fit that goes with it.

    Raises:
        _UnknownError: the model leaves its size open, and the config does not.
    """
    known = dict(zip(spec.layout.value, shape or (), strict=False))
    sides = _sides([known.get("H"), known.get("W")])
    if sides is None and fit_open:
        return dataclasses.replace(spec, fit=InputFit.PAD)
    if sides is None and spec.fit is InputFit.STRETCH:  # There is no size to stretch them to.
        return dataclasses.replace(spec, fit=InputFit.PAD, multiple=1)
    sides = sides or _sides(_literal(metadata, SIDES))
    if sides is None:
        raise _UnknownError(
            f"the model takes {written(shape)} and does not say its size; give [height, width], "
            "or 'any' with 'fit: pad', in a config of your own ('sysnoise configs NAME' prints one)"
        )
    fit = InputFit.LETTERBOX if fit_open else spec.fit
    multiple = None if fit_open else spec.multiple
    return dataclasses.replace(spec, height=sides[0], width=sides[1], fit=fit, multiple=multiple)


def _sides(value: object) -> tuple[int, int] | None:
    """Return height and width, if a value is a list of both."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    height, width = value
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    return (height, width) if 0 < min(height, width) <= max(height, width) <= LONGEST_SIDE else None


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def completed_output(name: str, outputs: Tensors) -> tuple[str, list[DocumentProblem]]:
    """Return the name of a classifier's output, which a config leaves open."""
    if len(outputs) == 1:
        return next(iter(outputs)), []
    return name, [
        (("output",), f"the model has {quoted(list(outputs))}: say which has the classes")
    ]


def completed_detector(
    detector: Detector,
    left_open: Open,
    outputs: Tensors,
    metadata: Mapping[str, str],
    names: Mapping[str, int],
) -> tuple[Detector, list[DocumentProblem]]:
    """Fill in what a config leaves open about a detector.

    Args:
        detector: the detector as the config has it.
        left_open: places of the values that the config leaves open.
        outputs: what the model gives.
        metadata: what the exporter wrote beside the graph.
        names: ids of the set's categories by their names.

    Returns:
        The detector, and what the model does not say.
    """
    problems: list[DocumentProblem] = []
    categories = detector.categories
    try:
        if ("categories",) in left_open:
            categories = model_categories(metadata, names)
    except _UnknownError as error:
        problems.append((("categories",), str(error)))
    head = detector.head
    fields = [path for path in left_open if path[0] == "head"]
    try:
        head = _completed_head(detector.head, fields, outputs, len(categories))
    except _UnknownError as error:
        field = fields[0] if error.field is None else ("head", error.field)
        problems.append((field, str(error)))
    return dataclasses.replace(detector, head=head, categories=categories), problems


def class_names(metadata: Mapping[str, str]) -> list[str] | None:
    """Return the names of the classes that a model says, in their order; None where it does not.

    Ultralytics gives classes without a name their number.
    """
    found = _literal(metadata, NAMES)
    if isinstance(found, dict) and sorted(found) == list(range(len(found))):
        found = [found[number] for number in range(len(found))]
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        return None
    numbers = [str(number) for number in range(len(found))]
    return None if found == numbers else found


def model_categories(metadata: Mapping[str, str], names: Mapping[str, int]) -> Categories:
    """Return the ids of the classes that a model names, or COCO's 80 where it names none.

    Raises:
        _UnknownError: the set has none of these names.
    """
    found = class_names(metadata)
    if found is None:
        return CATEGORIES[KNOWN_CATEGORIES]
    ids = {name.casefold(): number for name, number in names.items()}
    categories = tuple(ids.get(name.casefold()) for name in found)
    if not any(each is not None for each in categories):
        raise _UnknownError(
            f"the model names its classes {quoted(found)}, and the set has {quoted(list(names))}; "
            "give their ids"
        )
    return categories


def _literal(metadata: Mapping[str, str], key: str) -> object:
    """Return a value that an exporter wrote as Python does, or None."""
    text = metadata.get(key, "None")
    try:
        value: object = ast.literal_eval(text) if len(text) <= LONGEST_METADATA else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value


def _completed_head(head: Head, fields: Open, outputs: Tensors, categories: int) -> Head:
    """Find the outputs of a head by their shapes.

    Raises:
        _UnknownError: several outputs fit, or none.
    """
    if not fields:
        return head
    match head:
        case YoloHead():
            return _completed_grids(head, outputs)
        case TensorHead():
            tables = [each for each in _of_rank(outputs.values(), 2, 3) if each.type in FLOATS]
            # Four numbers are those of a box alone.
            fitting = [each for each in tables if 4 not in (each.shape or ())[-2:]]
            sized = [each for each in fitting if head.width(categories) in (each.shape or ())]
            output = _only(fitting if len(fitting) == 1 else sized, "all boxes")
            return dataclasses.replace(head, output=output)
        case AnchorsHead():
            return _completed_anchors(head, outputs, categories)
        case BoxesHead():
            return _completed_boxes(head, [str(path[-1]) for path in fields], outputs)


def _completed_grids(head: YoloHead, outputs: Tensors) -> YoloHead:
    """Take the outputs from the coarsest grid to the finest, as the config lists the anchors."""
    grids = [
        each for each in _of_rank(outputs.values(), 4) if isinstance((each.shape or ())[-1], int)
    ]
    grids.sort(key=lambda each: (each.shape or ())[-1])
    if len(grids) != len(head.outputs):
        raise _UnknownError(
            f"the model gives {len(grids)} grids, the config has {len(head.outputs)}"
        )
    named = [
        dataclasses.replace(output, name=grid.name)
        for output, grid in zip(head.outputs, grids, strict=True)
    ]
    return YoloHead(tuple(named))


def _completed_anchors(head: AnchorsHead, outputs: Tensors, categories: int) -> AnchorsHead:
    floats = [each for each in outputs.values() if each.type in FLOATS and each.shape]
    left = [each for each in floats if each.name not in head.names]
    scores, deltas = head.scores, head.deltas
    if not scores:
        fitting = [each for each in left if (each.shape or ())[-1] == categories]
        scores = _only(fitting, f"scores of {categories} classes")
    if not deltas:
        fitting = [each for each in left if (each.shape or ())[-1] in (4, 4 * categories)]
        deltas = _only(fitting, "four numbers per anchor")
    return dataclasses.replace(head, scores=scores, deltas=deltas)


def _completed_boxes(head: BoxesHead, fields: Sequence[str], outputs: Tensors) -> BoxesHead:
    named = {name for name in head.names if name}
    left = [each for each in outputs.values() if each.name not in named]
    boxes = head.boxes
    if "boxes" in fields:
        fours = [each for each in left if each.type in FLOATS and (each.shape or ())[-1:] == (4,)]
        boxes = _only(_of_rank(fours, 2, 3, 4), "four numbers per box", "boxes")
    shape = outputs[boxes].shape if boxes in outputs else None
    rank = 3 if shape is None else 2 if len(shape) == 2 else 3
    left = [each for each in left if each.name != boxes]
    labels, scores = head.labels, head.scores
    if "labels" in fields:
        whole = [each for each in left if each.type not in FLOATS]
        labels = _only(_of_rank(whole, rank - 1), "whole numbers, one per box", "labels")
    if "scores" in fields:
        floats = [each for each in left if each.type in FLOATS]
        wanted = rank if labels is None else rank - 1
        scores = _only(_of_rank(floats, wanted), f"scores with {wanted} dimensions", "scores")
    masks = head.masks
    if "masks" in fields:
        masks = _only(_of_rank(left, rank + 2), f"masks with {rank + 2} dimensions", "masks")
    return dataclasses.replace(head, boxes=boxes, scores=scores, labels=labels, masks=masks)


def _of_rank(tensors: Iterable[TensorInfo], *ranks: int) -> list[TensorInfo]:
    return [each for each in tensors if each.shape is not None and len(each.shape) in ranks]


def _only(fitting: Sequence[TensorInfo], what: str, field: str | None = None) -> str:
    """Return the name of the one output that fits a field of the head."""
    if not fitting:
        raise _UnknownError(f"no output looks like {what}", field)
    if len(fitting) > 1:
        names = "; ".join(map(str, fitting))
        text = f"{len(fitting)} outputs look like {what}, where the config has {AUTO}; say which: "
        raise _UnknownError(text + names, field)
    return fitting[0].name
