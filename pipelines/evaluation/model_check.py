"""Whether a model is what its config says, before it runs; and what the config leaves to it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from sysnoise.manifests.imagenet_classes import CLASS_COUNT
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.evaluation.completing import (
    class_names,
    completed_detector,
    completed_input,
    completed_output,
)
from sysnoise.pipelines.evaluation.config import Classifier, ModelConfig
from sysnoise.pipelines.evaluation.config_input import Constants
from sysnoise.pipelines.evaluation.config_values import Background
from sysnoise.pipelines.evaluation.head_check import (
    head_advice,
    head_problems,
    is_for_one_image,
)
from sysnoise.pipelines.evaluation.model_tensors import (
    Shape,
    TensorInfo,
    Tensors,
    declared_outputs,
    fits,
    inputs_of,
    metadata_of,
    misfit,
    output_problems,
    outputs_of,
    written,
)
from sysnoise.pipelines.evaluation.request import SetClasses
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.model.boxes import Detector
from sysnoise.transforms.model.constants import with_constants
from sysnoise.transforms.model.input import InputFit, InputSpec
from sysnoise.transforms.problems import DocumentPath, DocumentProblem

MOST_NUMBERS = 2**24
"""Largest number of elements of a constant: a mask of 4,096 x 4,096 pixels."""


@dataclass(frozen=True)
class FittedModel:
    """A model with the config that fits it.

    Attributes:
        model: the model; inputs that the config makes constants are constants of its graph.
        config: the config, in which nothing is left open.
        images: how many images the model takes at a time; None where it leaves that open.
    """

    model: ModelProto
    config: ModelConfig
    images: int | None


def fit_model(config: ModelConfig, model: ModelProto, classes: SetClasses) -> FittedModel:
    """Fill in what a config leaves to the model, and refuse a model that is not what it says.

    Args:
        config: the config of the model.
        model: the model with its graph; its weights may be in other files. It is not changed.
        classes: what is known of the set.

    Raises:
        UsageError: the model and the config differ; the message has all problems, and the model's
            inputs and outputs.
        InputError: its shapes cannot be inferred within the limits of a trial.
    """
    inputs, metadata = inputs_of(model), metadata_of(model)
    fed = {name: each for name, each in inputs.items() if name not in dict(config.constants)}
    spec, problems = completed_input(config.input, config.left_open, fed, metadata, classes.common)
    if problems:
        raise misfit(problems, inputs, declared_outputs(model))
    problems += _input_problems(spec, fed)
    arrays, wrong = _constant_arrays(config.constants, inputs, spec)
    model = with_constants(model, arrays)
    outputs = outputs_of(model, spec)
    task, unknown = _completed_task(config, outputs, metadata, classes)
    problems += [*wrong, *unknown]
    if unknown:  # What is compared below is not known, either.
        problems += _advice(task, outputs)
        raise misfit(problems, inputs, outputs)
    if isinstance(task, Classifier):
        problems += _classifier_problems(task, outputs, classes)
    else:
        problems += _category_problems(task, classes.labels, metadata)
        problems += head_problems(task.head, len(task.categories), spec, outputs)
    if problems:
        raise misfit(problems, inputs, outputs)
    complete = ModelConfig(spec, task, config.constants)
    return FittedModel(model, complete, _images(complete, inputs, outputs))


def _advice(task: Classifier | Detector, outputs: Tensors) -> Iterator[DocumentProblem]:
    """Yield which head the outputs of a detector fit, if any."""
    if isinstance(task, Detector):
        said = head_advice(len(task.categories), outputs)
        if said is not None:
            yield ("head",), said


def _completed_task(
    config: ModelConfig, outputs: Tensors, metadata: Mapping[str, str], classes: SetClasses
) -> tuple[Classifier | Detector, list[DocumentProblem]]:
    task, left_open = config.task, config.left_open
    if isinstance(task, Detector):
        return completed_detector(task, left_open, outputs, metadata, classes.names)
    if ("output",) not in left_open:
        return task, []
    output, problems = completed_output(task.output, outputs)
    return dataclasses.replace(task, output=output), problems


def _images(config: ModelConfig, inputs: Tensors, outputs: Tensors) -> int | None:
    """Return how many images a model takes at a time; None where it leaves that open."""
    spec, task = config.input, config.task
    if "N" not in spec.layout.value or spec.fit is InputFit.PAD or config.constants:
        return 1
    if isinstance(task, Detector) and is_for_one_image(task.head, outputs):
        return 1
    shape = inputs[spec.name].shape
    return shape[0] if shape and isinstance(shape[0], int) else None


def _input_problems(spec: InputSpec, inputs: Tensors) -> Iterator[DocumentProblem]:
    found = inputs.get(spec.name)
    if found is None:
        yield ("input", "name"), unknown_name("input", spec.name, inputs)
        if len(inputs) != 1:
            return
        found = next(iter(inputs.values()))
    others = [name for name in inputs if name != found.name]
    if others:
        yield (
            ("input",),
            f"the model also needs {quoted(others)}, which nothing feeds; if it is the same for "
            f"every image, say 'constants: {{{others[0]}: [NUMBER, ...]}}' in a config of your own",
        )
    if found.type != spec.type.value:
        yield ("input", "dtype"), f"{spec.type.value}, but the model takes {found.type}"
    if found.shape is None:
        return
    expected = spec.shape(1)
    open_batch: Shape = ("N", *expected[1:]) if "N" in spec.layout.value else expected
    if spec.fit is InputFit.PAD and _is_fixed(found.shape, spec):
        yield (
            ("input", "size"),
            f"any, but the model takes {written(found.shape)} only; give that size with 'fit: "
            "letterbox', or export it for images of any size",
        )
    elif not fits(found.shape, open_batch):
        yield (
            ("input",),
            f"layout {spec.layout.value} and size [{spec.height}, {spec.width}] make "
            f"{written(open_batch)}, but the model takes {written(found.shape)}",
        )
    elif open_batch != expected and isinstance(found.shape[0], int) and found.shape[0] != 1:
        yield (
            ("input",),
            f"the model takes batches of {found.shape[0]} only; export it for batches of 1 or "
            "of any size",
        )


def _is_fixed(shape: Shape, spec: InputSpec) -> bool:
    sides = dict(zip(spec.layout.value, shape, strict=False))
    return isinstance(sides.get("H"), int) or isinstance(sides.get("W"), int)


def _constant_arrays(
    constants: Constants, inputs: Tensors, spec: InputSpec
) -> tuple[dict[str, NDArray[Any]], list[DocumentProblem]]:
    """Return what the other inputs hold, in their shapes and types, for one image."""
    image = inputs.get(spec.name)
    sizes: dict[int | str, int] = {}
    if image is not None and image.shape is not None:
        sizes = dict(zip(image.shape, spec.shape(1), strict=False))
    arrays: dict[str, NDArray[Any]] = {}
    problems: list[DocumentProblem] = []
    for name, numbers in constants:
        path = ("constants", name)
        if name not in inputs or name == spec.name:
            others = [each for each in inputs if each != spec.name]
            problems.append((path, unknown_name("input", name, others)))
            continue
        try:
            shape = _constant_shape(inputs[name].shape, sizes, len(numbers))
            if math.prod(shape) > MOST_NUMBERS:
                raise ValueError(f"expected at most {MOST_NUMBERS} numbers")
            arrays[name] = np.broadcast_to(np.array(numbers), shape).astype(inputs[name].type)
        except (TypeError, ValueError) as error:
            problems.append((path, f"the model takes {inputs[name]}: {error}"))
    return arrays, problems


def _constant_shape(
    shape: Shape | None, sizes: Mapping[int | str, int], numbers: int
) -> tuple[int, ...]:
    """Return a shape in which open sizes are those of the image, or one, or that of the numbers."""
    if shape is None:
        return (numbers,)
    known = [size if isinstance(size, int) else sizes.get(size, 1) for size in shape]
    if known and not isinstance(shape[-1], int) and shape[-1] not in sizes:
        known[-1] = numbers
    return tuple(known)


def _classifier_problems(
    classifier: Classifier, outputs: Tensors, set_classes: SetClasses
) -> Iterator[DocumentProblem]:
    path: DocumentPath = ("output",)
    labels, listed = set_classes.labels, set_classes.listed
    found = outputs.get(classifier.output)
    if found is None:
        yield path, unknown_name("output", classifier.output, outputs)
        return
    found = _without_trailing_ones(found)
    yield from output_problems(path, found, ("N", "classes"), "a classifier gives")
    if found.shape is None or len(found.shape) != 2 or not isinstance(found.shape[1], int):
        return
    classes = found.shape[1] - (classifier.background is not Background.NONE)
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
            f"{classes} classes without the {classifier.background.value}; ImageNet has "
            f"{CLASS_COUNT}: leave 'background' out",
        )
    elif listed and listed != classes:
        yield (
            path,
            f"{classes} classes, but the set's labels are places in a class list of {listed}; for "
            "a model of ImageNet's 1,000, generate the set without --classes",
        )


def _without_trailing_ones(found: TensorInfo) -> TensorInfo:
    """Drop the sides of an image of one pixel, which a last pooling or convolution leaves."""
    shape = found.shape
    while shape and len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return dataclasses.replace(found, shape=shape)


def _category_problems(
    detector: Detector, labels: Collection[int], metadata: Mapping[str, str]
) -> Iterator[DocumentProblem]:
    path: DocumentPath = ("categories",)
    if labels and set(labels).isdisjoint(detector.categories):
        some = quoted([str(each) for each in sorted(labels)])
        yield path, f"none of them is in the set, which has {some}"
    elif labels and 0 in detector.categories and 0 not in labels:
        yield (
            path,
            f"0 is not in the set, whose ids begin with {min(labels)}; COCO's 80 classes in their "
            "order are 'categories: coco80'",
        )
    names = class_names(metadata)
    if names is not None and len(names) != len(detector.categories):
        yield (
            path,
            f"{len(detector.categories)}, but the model names {len(names)} classes: "
            f"{quoted(names)}; 'categories: auto' takes those",
        )
