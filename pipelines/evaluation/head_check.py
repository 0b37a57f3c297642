"""Whether the outputs of a detector are what its head says, and which head they fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sysnoise.pipelines.evaluation.model_tensors import (
    FLOATS,
    NUMBERS,
    Shape,
    TensorInfo,
    Tensors,
    output_problems,
    written,
)
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.model.anchors import level_counts
from sysnoise.transforms.model.decoding import cell_count
from sysnoise.transforms.model.heads import (
    AnchorsHead,
    BoxesHead,
    Head,
    TensorAxes,
    TensorHead,
    YoloHead,
    lacks_images,
)
from sysnoise.transforms.model.input import InputSpec
from sysnoise.transforms.problems import DocumentPath, DocumentProblem

COCO_CLASSES = 80


def head_problems(
    head: Head, categories: int, spec: InputSpec, outputs: Tensors
) -> Iterator[DocumentProblem]:
    """Yield what is wrong, and then which head the outputs fit, if any."""
    match head:
        case YoloHead():
            problems = list(_yolo_problems(head, categories, spec, outputs))
        case BoxesHead():
            problems = list(_boxes_problems(head, categories, spec, outputs))
        case TensorHead():
            problems = list(_tensor_problems(head, categories, spec, outputs))
        case AnchorsHead():
            problems = list(_anchors_problems(head, categories, spec, outputs))
    yield from problems
    advice = head_advice(categories, outputs) if problems else None
    if advice is not None:
        yield ("head",), advice


def is_for_one_image(head: Head, outputs: Tensors) -> bool:
    """Return whether the outputs lack the first dimension, N, as far as it is known."""
    found = outputs.get(head.names[0])
    shape = found.shape if found is not None else None
    return shape is not None and lacks_images(head, len(shape))


def _yolo_problems(
    head: YoloHead, categories: int, spec: InputSpec, outputs: Tensors
) -> Iterator[DocumentProblem]:
    for index, output in enumerate(head.outputs):
        path: DocumentPath = ("head", "outputs", index)
        found = outputs.get(output.name)
        if found is None:
            yield (*path, "name"), unknown_name("output", output.name, outputs)
            continue
        anchors = len(output.anchors)
        expected = ("N", anchors * (5 + categories), "rows", "columns")
        why = f"{anchors} anchors x (5 + {categories} categories) make"
        wrong = output_problems(path, found, expected, why)
        yield from wrong or _grid_problems(path, found.shape, spec)


def _grid_problems(
    path: DocumentPath, shape: Shape | None, spec: InputSpec
) -> Iterator[DocumentProblem]:
    """Check that cells are squares of whole pixels."""
    rows, columns = shape[2:] if shape else ("?", "?")
    if not isinstance(rows, int) or not isinstance(columns, int):
        return
    if spec.height % rows or spec.width % columns or spec.height * columns != spec.width * rows:
        size = f"[{spec.height}, {spec.width}]"
        yield path, f"a grid of {rows} x {columns} cells does not divide size {size} into squares"


def _boxes_problems(
    head: BoxesHead, categories: int, spec: InputSpec, outputs: Tensors
) -> Iterator[DocumentProblem]:
    per_box: Shape = ("boxes",) if is_for_one_image(head, outputs) else ("N", "boxes")
    scores = (*per_box, categories) if head.labels is None else per_box
    fields: list[tuple[str, str, Shape, Sequence[str]]] = [
        ("boxes", head.boxes, (*per_box, 4), FLOATS),
        ("scores", head.scores, scores, FLOATS),
    ]
    if head.labels is not None:
        fields.append(("labels", head.labels, per_box, NUMBERS))
    if head.masks is not None:
        fields.append(("masks", head.masks, (*per_box, 1, spec.height, spec.width), FLOATS))
    counts: dict[str, int] = {}
    for field, name, expected, types in fields:
        path = ("head", field)
        found = outputs.get(name)
        if found is None:
            yield path, unknown_name("output", name, outputs)
            continue
        if field == "boxes":
            found = _without_middle_one(found)
        why = f"with {categories} categories expected"
        yield from output_problems(path, found, expected, why, types)
        count = (found.shape or ())[len(per_box) - 1 : len(per_box)]
        if count and isinstance(count[0], int):
            counts[field] = count[0]
    if len(set(counts.values())) > 1:
        found_counts = ", ".join(f"{field} {count}" for field, count in counts.items())
        yield ("head",), f"the outputs have different numbers of boxes: {found_counts}"


def _without_middle_one(boxes: TensorInfo) -> TensorInfo:
    """Return boxes of N x boxes x 1 x 4 as N x boxes x 4."""
    shape = boxes.shape
    if shape is None or len(shape) != 4 or shape[2] != 1:
        return boxes
    return TensorInfo(boxes.name, boxes.type, (*shape[:2], shape[3]))


def _tensor_problems(
    head: TensorHead, categories: int, spec: InputSpec, outputs: Tensors
) -> Iterator[DocumentProblem]:
    path = ("head", "output")
    found = outputs.get(head.output)
    if found is None:
        yield path, unknown_name("output", head.output, outputs)
        return
    width, boxes = head.width(categories), _cells(head, spec)
    names = ", ".join(value.value for value in head.values)
    sizes: Shape = (boxes, width) if head.axes is TensorAxes.BOXES_VALUES else (width, boxes)
    expected = sizes if is_for_one_image(head, outputs) else ("N", *sizes)
    why = f"{names} with {categories} categories make"
    yield from output_problems(path, found, expected, why)


def _anchors_problems(
    head: AnchorsHead, categories: int, spec: InputSpec, outputs: Tensors
) -> Iterator[DocumentProblem]:
    anchors: int | str = "anchors"
    if head.proposals is None:
        anchors = sum(level_counts(head, spec.width, spec.height))
    per_anchor: Shape = (anchors,) if is_for_one_image(head, outputs) else ("N", anchors)
    deltas = outputs.get(head.deltas)
    by_class = deltas is not None and (deltas.shape or ())[-1:] == (4 * categories,)
    fields: list[tuple[str, str, Shape]] = [
        ("scores", head.scores, (*per_anchor, categories)),
        ("deltas", head.deltas, (*per_anchor, 4 * categories if by_class else 4)),
    ]
    if head.proposals is not None:
        fields.append(("proposals", head.proposals, (*per_anchor, 4)))
    for field, name, expected in fields:
        path = ("head", field)
        found = outputs.get(name)
        if found is None:
            yield path, unknown_name("output", name, outputs)
            continue
        why = (
            f"{anchors} anchors at {spec.width} x {spec.height} pixels and {categories} categories"
        )
        yield from output_problems(path, found, expected, f"{why} make")


def _cells(head: TensorHead, spec: InputSpec) -> int | str:
    """Return how many boxes grids of cells have."""
    return cell_count(spec.width, spec.height, head.strides) if head.strides else "boxes"


def head_advice(categories: int, outputs: Tensors) -> str | None:
    """Return which head the outputs fit, as a config says it; None where none does."""
    for output in outputs.values():
        said = _tensor_advice(output, categories) or _boxes_advice(output, outputs)
        if said is not None:
            return (
                f"{output.name} is {written(output.shape)}; such outputs fit {said}; 'sysnoise "
                "configs' lists all configs"
            )
    return None


def _tensor_advice(output: TensorInfo, categories: int) -> str | None:
    """Return the head of one tensor that an output fits."""
    shape = output.shape or ()
    sizes = shape[-2:]
    for_one = len(shape) == 2 and sizes[1] == 6
    if output.type not in FLOATS or not (len(shape) == 3 or for_one) or 4 in sizes:
        return None
    one, objects = ((each + categories, each + COCO_CLASSES) for each in (4, 5))
    by_rows, by_columns = TensorAxes.BOXES_VALUES, TensorAxes.VALUES_BOXES
    if sizes[1] == 6:
        values = "[box, score, label]"
        return (
            f"--config yolov10, or {_tensor_said(output, by_rows, values, 'xyxy')} and 'nms: none'"
        )
    for axes, count in ((by_rows, sizes[1]), (by_columns, sizes[0])):
        if count in objects:
            name = "--config yolov5, or " if axes is by_rows else ""
            return name + _tensor_said(output, axes, "[box, objectness, scores]", "cxcywh")
        if count in one:
            name = "--config yolov8, or " if axes is by_columns else ""
            return name + _tensor_said(output, axes, "[box, scores]", "cxcywh")
    return None


def _tensor_said(output: TensorInfo, axes: TensorAxes, values: str, box_format: str) -> str:
    return (
        f"'head: {{type: tensor, output: {output.name}, axes: {axes.value}, values: {values}, "
        f"format: {box_format}, units: pixels}}'"
    )


def _boxes_advice(output: TensorInfo, outputs: Tensors) -> str | None:
    """Return the head of boxes, scores and perhaps labels that outputs fit."""
    shape = _without_middle_one(output).shape or ()
    if output.type not in FLOATS or len(shape) not in (2, 3) or shape[-1] != 4:
        return None
    others = [each for each in outputs.values() if each is not output and each.shape is not None]
    per_box = [each for each in others if len(each.shape or ()) == len(shape) - 1]
    scores = [each.name for each in per_box if each.type in FLOATS]
    labels = [each.name for each in per_box if each.type not in FLOATS]
    of_all = [each.name for each in others if len(each.shape or ()) == len(shape)]
    name = ""
    if scores and labels:
        named = f"scores: {scores[0]}, labels: {labels[0]}"
        name = "--config torchvision-fasterrcnn, or " if len(shape) == 2 else ""
    elif of_all:
        named = f"scores: {of_all[0]}"
    else:
        return None
    said = f"boxes: {output.name}, {named}, format: xyxy, units: pixels"
    return f"{name}'head: {{type: boxes, {said}}}'"
