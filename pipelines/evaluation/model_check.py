"""Whether a model is what its config says, before it runs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto, shape_inference

from sysnoise.manifests.imagenet_classes import CLASS_COUNT
from sysnoise.pipelines.errors import UsageError, quoted
from sysnoise.pipelines.evaluation.config import Background, Classifier, ModelConfig
from sysnoise.pipelines.evaluation.trial import tried
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.model.boxes import BoxesHead, Detector, YoloHead
from sysnoise.transforms.model.input import InputSpec
from sysnoise.transforms.problems import DocumentPath, DocumentProblem, dotted_path

Shape = tuple[int | str, ...]
"""Sizes of dimensions; a text stands for one that is open, or not known before the model runs."""

_FLOATS = ("float16", "float32", "float64")
_NUMBERS = ("int32", "int64", *_FLOATS)


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model, as the model says or shape inference finds.

    Attributes:
        name: name of the tensor.
        type: type of its elements, by NumPy's name.
        shape: its shape; None where it is not known at all.
    """

    name: str
    type: str
    shape: Shape | None

    def __str__(self) -> str:
        return f"{self.name} {self.type} {_written(self.shape)}"


def check_model(
    config: ModelConfig, model: ModelProto, labels: Collection[int], listed: int = 0
) -> None:
    """Refuse a model that is not what its config says.

    Args:
        config: the config of the model.
        model: the model with its graph; its weights may be in other files.
        labels: the labels that occur in the set: classes, 0-based, or ids of categories.
        listed: number of classes that the set's labels are places among; 0 where it is unknown.

    Raises:
        UsageError: the model and the config differ; the message has all problems, and the model's
            inputs and outputs.
        InputError: its shapes cannot be inferred within the limits of a trial.
    """
    inputs = _inputs(model)
    outputs = _outputs(model, config.input)
    problems = [*_input_problems(config.input, inputs)]
    if isinstance(config.task, Classifier):
        problems += _classifier_problems(config.task, outputs, labels, listed)
    else:
        problems += _detector_problems(config.task, config.input, outputs, labels)
    if problems:
        differences = [f"  {dotted_path(path, 'config')}: {text}" for path, text in problems]
        said = [f"  input {each}" for each in inputs]
        said += [f"  output {each}" for each in outputs.values()]
        lines = [
            "the config does not fit the model:",
            *differences,
            "the model says of itself:",
            *said,
        ]
        raise UsageError("\n".join(lines))


def batch_size(model: ModelProto, wanted: int) -> int:
    """Return how many images the model takes at a time.

    Args:
        model: a model that :func:`check_model` did not refuse.
        wanted: the number of images where the model leaves it open.
    """
    shape = _inputs(model)[0].shape
    return shape[0] if shape and isinstance(shape[0], int) else wanted


def _inputs(model: ModelProto) -> list[TensorInfo]:
    """Return what the model is fed; older models list their weights too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [_tensor(value) for value in model.graph.input if value.name not in weights]


def _outputs(model: ModelProto, spec: InputSpec) -> dict[str, TensorInfo]:
    """Return what the model gives at the config's input size, by name, as far as it is known."""
    sized = ModelProto()
    sized.CopyFrom(model)
    del sized.graph.value_info[:]
    for value in sized.graph.input:
        shape = value.type.tensor_type.shape
        if value.name == spec.name and len(shape.dim) == 4:
            for dim, size in list(zip(shape.dim, spec.shape(1), strict=True))[1:]:
                dim.dim_value = dim.dim_value or size
    given = sized
    data = tried("looking at the model", sized.ByteSize(), lambda: _inferred(given))
    return {value.name: _tensor(value) for value in GraphProto.FromString(data).output}


def _inferred(model: ModelProto) -> bytes:
    """Return a graph with the outputs of a model, whose shapes are inferred as far as they are."""
    with contextlib.suppress(shape_inference.InferenceError):
        model = shape_inference.infer_shapes(model, data_prop=True)
    return bytes(GraphProto(output=model.graph.output).SerializeToString())


def _tensor(value: ValueInfoProto) -> TensorInfo:
    tensor = value.type.tensor_type
    kind = "of unknown type"
    if tensor.elem_type in TensorProto.DataType.values() and tensor.elem_type:
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    if not tensor.HasField("shape"):
        return TensorInfo(value.name, kind, None)
    sizes = (dim.dim_value or dim.dim_param or "?" for dim in tensor.shape.dim)
    return TensorInfo(value.name, kind, tuple(sizes))


def _input_problems(spec: InputSpec, inputs: Sequence[TensorInfo]) -> Iterator[DocumentProblem]:
    by_name = {each.name: each for each in inputs}
    found = by_name.get(spec.name)
    if found is None:
        yield ("input", "name"), unknown_name("input", spec.name, by_name)
        if len(inputs) != 1:
            return
        found = inputs[0]
    others = [name for name in by_name if name != found.name]
    if others:
        yield ("input",), f"the model also needs {quoted(others)}, which nothing feeds"
    if found.type != spec.type.value:
        yield ("input", "dtype"), f"{spec.type.value}, but the model takes {found.type}"
    if found.shape is None:
        return
    expected = spec.shape(1)
    if not _fits(found.shape, ("N", *expected[1:])):
        yield (
            ("input",),
            f"layout {spec.layout.value} and size [{spec.height}, {spec.width}] make "
            f"{_written(('N', *expected[1:]))}, but the model takes {_written(found.shape)}",
        )
    elif isinstance(found.shape[0], int) and found.shape[0] != 1:
        yield (
            ("input",),
            f"the model takes batches of {found.shape[0]} only; export it for batches of 1 or "
            "of any size",
        )


def _classifier_problems(
    classifier: Classifier,
    outputs: Mapping[str, TensorInfo],
    labels: Collection[int],
    listed: int,
) -> Iterator[DocumentProblem]:
    path: DocumentPath = ("output",)
    found = outputs.get(classifier.output)
    if found is None:
        yield path, unknown_name("output", classifier.output, outputs)
        return
    found = dataclasses.replace(found, shape=_without_trailing_ones(found.shape))
    yield from _output_problems(path, found, ("N", "classes"), "a classifier gives")
    if found.shape is None or len(found.shape) != 2 or not isinstance(found.shape[1], int):
        return
    classes = found.shape[1] - (classifier.background is Background.FIRST)
    if classes <= max(labels, default=-1):
        yield path, f"{classes} classes, but the set has labels up to {max(labels)}"
    elif classes == CLASS_COUNT + 1:
        yield (
            ("background",),
            f"{classes} classes; ImageNet has {CLASS_COUNT}: if class 0 is the background, say "
            "'background: first'",
        )
    elif classes == CLASS_COUNT - 1:
        yield (
            ("background",),
            f"{classes} classes without the first; ImageNet has {CLASS_COUNT}: leave 'background' "
            "out",
        )
    elif listed and listed != classes:
        yield (
            path,
            f"{classes} classes, but the set's labels are places in a class list of {listed}; for "
            "a model of ImageNet's 1,000, generate the set without --classes",
        )


def _without_trailing_ones(shape: Shape | None) -> Shape | None:
    """Drop the sides of an image of one pixel, which a last pooling or convolution leaves."""
    while shape and len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _detector_problems(
    detector: Detector,
    spec: InputSpec,
    outputs: Mapping[str, TensorInfo],
    labels: Collection[int],
) -> Iterator[DocumentProblem]:
    if labels and set(labels).isdisjoint(detector.categories):
        some = quoted([str(each) for each in sorted(labels)])
        yield ("categories",), f"none of them is in the set, which has {some}"
    elif labels and 0 in detector.categories and 0 not in labels:
        yield (
            ("categories",),
            f"0 is not in the set, whose ids begin with {min(labels)}; COCO's 80 classes in their "
            "order are 'categories: coco80'",
        )
    count = len(detector.categories)
    if isinstance(detector.head, YoloHead):
        yield from _yolo_problems(detector.head, count, spec, outputs)
    else:
        yield from _boxes_problems(detector.head, count, outputs)


def _yolo_problems(
    head: YoloHead, categories: int, spec: InputSpec, outputs: Mapping[str, TensorInfo]
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
        wrong = list(_output_problems(path, found, expected, why))
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
    head: BoxesHead, categories: int, outputs: Mapping[str, TensorInfo]
) -> Iterator[DocumentProblem]:
    per_box: Shape = ("N", "boxes")
    scores = (*per_box, categories) if head.labels is None else per_box
    fields: list[tuple[str, str, Shape, Sequence[str]]] = [
        ("boxes", head.boxes, (*per_box, 4), _FLOATS),
        ("scores", head.scores, scores, _FLOATS),
    ]
    if head.labels is not None:
        fields.append(("labels", head.labels, per_box, _NUMBERS))
    counts: dict[str, int] = {}
    for field, name, expected, types in fields:
        path = ("head", field)
        found = outputs.get(name)
        if found is None:
            yield path, unknown_name("output", name, outputs)
            continue
        why = f"with {categories} categories expected"
        yield from _output_problems(path, found, expected, why, types)
        if found.shape and len(found.shape) > 1 and isinstance(found.shape[1], int):
            counts[field] = found.shape[1]
    if len(set(counts.values())) > 1:
        found_counts = ", ".join(f"{field} {count}" for field, count in counts.items())
        yield ("head",), f"the outputs have different numbers of boxes: {found_counts}"


def _output_problems(
    path: DocumentPath, found: TensorInfo, expected: Shape, why: str, types: Sequence[str] = _FLOATS
) -> Iterator[DocumentProblem]:
    """Compare an output with what the config makes of it; ``why`` goes before the shape."""
    if found.type not in types:
        yield path, f"expected elements of {' or '.join(types)}, but the model gives {found.type}"
    if found.shape is not None and not _fits(found.shape, expected):
        yield path, f"{why} {_written(expected)}, but the model gives {_written(found.shape)}"


def _fits(shape: Shape, expected: Shape) -> bool:
    """Whether all sizes that are known on both sides are equal."""
    return len(shape) == len(expected) and all(
        one == other
        for one, other in zip(shape, expected, strict=True)
        if isinstance(one, int) and isinstance(other, int)
    )


def _written(shape: Shape | None) -> str:
    return "of unknown shape" if shape is None else " x ".join(map(str, shape)) or "scalar"
