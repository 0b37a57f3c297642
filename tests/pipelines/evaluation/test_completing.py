"""What a config leaves to the model, on graphs that declare their inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.evaluation.config import Classifier, ModelConfig, parse_config
from sysnoise.pipelines.evaluation.model_check import FittedModel, fit_model
from sysnoise.pipelines.evaluation.named_configs import load_config
from sysnoise.pipelines.evaluation.request import SetClasses
from sysnoise.transforms.model.boxes import Detector
from sysnoise.transforms.model.heads import BoxesHead
from sysnoise.transforms.model.input import InputFit, InputType, Layout
from sysnoise.transforms.pixels import Size

Dims = Sequence[int | str] | None
FLOAT, HALF, LONG = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64
OPEN = """
task: detection
input:
  {name: auto, size: auto, layout: auto, channels: RGB, mean: 0, scale: 1, dtype: auto, fit: auto}
head: {type: boxes, boxes: auto, scores: auto, labels: auto, format: xyxy, units: pixels}
categories: [1, 2]
nms: none
"""
BOXES: Mapping[str, tuple[int, Dims]] = {
    "labels": (LONG, ("n",)),
    "boxes": (FLOAT, ("n", 4)),
    "scores": (FLOAT, ("n",)),
}
CLASSES: Mapping[str, tuple[int, Dims]] = {"logits": (FLOAT, ("N", 10))}


def declared(
    inputs: Mapping[str, tuple[int, Dims]],
    outputs: Mapping[str, tuple[int, Dims]],
    **metadata: str,
) -> ModelProto:
    """A graph of an operator that shape inference does not know."""
    node = helper.make_node("Unknown", list(inputs), list(outputs), domain="test")
    taken, given = (
        [helper.make_tensor_value_info(name, *what) for name, what in each.items()]
        for each in (inputs, outputs)
    )
    made = helper.make_model(helper.make_graph([node], "declared", taken, given))
    helper.set_model_props(made, metadata)
    return made


def fitted(model: ModelProto, text: str = OPEN) -> FittedModel:
    classes = SetClasses([1, 2], names={"cat": 1, "dog": 2}, common=Size(1333, 800))
    return fit_model(parse_config(text, "my.yaml"), model, classes)


def refusal(model: ModelProto, text: str = OPEN) -> str:
    with pytest.raises(UsageError) as caught:
        fitted(model, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("shape", "layout", "fit", "size"),
    [
        ((1, 3, 64, 96), Layout.NCHW, InputFit.LETTERBOX, (64, 96)),
        ((1, 64, 96, 3), Layout.NHWC, InputFit.LETTERBOX, (64, 96)),
        ((3, 64, 96), Layout.CHW, InputFit.LETTERBOX, (64, 96)),
        (("h", "w", 3), Layout.HWC, InputFit.PAD, (800, 1344)),
        ((1, 3, "h", "w"), Layout.NCHW, InputFit.PAD, (800, 1344)),
        ((1, 3, 64, "w"), Layout.NCHW, None, None),
    ],
)
def test_size_layout_and_fit(
    shape: Dims, layout: Layout, fit: InputFit | None, size: tuple[int, int] | None
) -> None:
    model = declared({"image": (FLOAT, shape)}, BOXES)
    if fit is None:
        assert "input.size: any, but the model takes 1 x 3 x 64 x w only" in refusal(model)
        return
    made = fitted(model)
    spec = made.config.input
    assert (spec.name, spec.layout, spec.fit) == ("image", layout, fit)
    assert (spec.height, spec.width) == size
    assert spec.multiple == (32 if fit is InputFit.PAD else None)
    assert made.config.left_open == ()
    assert made.images == 1


def test_outputs_are_found_by_their_shapes() -> None:
    model = declared({"image": (FLOAT, (1, 3, 64, 96))}, BOXES)
    task = fitted(model).config.task
    assert isinstance(task, Detector)
    assert task.head.names == ("boxes", "scores", "labels")
    two = {**BOXES, "others": (FLOAT, ("n",))}
    told = refusal(declared({"image": (FLOAT, (1, 3, 64, 96))}, two))
    assert "head.scores: 2 outputs look like scores with 1 dimensions, where the config has" in told
    assert "say which: scores float32 n; others float32 n" in told
    masks = {**BOXES, "masks": (FLOAT, ("n", 1, 64, 96))}
    text = OPEN.replace("labels: auto", "labels: auto, masks: auto")
    task = fitted(declared({"image": (FLOAT, (1, 3, 64, 96))}, masks), text).config.task
    assert isinstance(task, Detector)
    assert isinstance(task.head, BoxesHead)
    assert task.head.masks == "masks"


def test_type_of_the_input() -> None:
    for kind, expected in ((FLOAT, InputType.FLOAT32), (HALF, InputType.FLOAT16)):
        model = declared({"image": (kind, (1, 3, 64, 96))}, BOXES)
        assert fitted(model).config.input.type is expected


def test_the_input_of_three_channels_gets_the_images() -> None:
    image: tuple[int, Dims] = (FLOAT, ("N", 3, 64, 96))
    others: dict[str, tuple[int, Dims]] = {
        "sizes": (LONG, ("N", 2)),
        "mask": (LONG, ("N", 64, 96)),
        "factor": (FLOAT, ("k",)),
    }
    model = declared({**others, "image": image}, BOXES)
    assert "input: the model also needs 'sizes', 'mask', 'factor', which nothing" in refusal(model)
    text = f"{OPEN}constants: {{sizes: [480, 640], mask: 1, factor: [2.5, 3]}}\n"
    made = fitted(model, text)
    assert made.images == 1
    assert [each.name for each in made.model.graph.input] == ["image"]
    held = {each.name: numpy_helper.to_array(each) for each in made.model.graph.initializer}
    assert held["sizes"].dtype == held["mask"].dtype == np.int64
    assert held["sizes"].tolist() == [[480, 640]]
    assert held["mask"].shape == (1, 64, 96)
    assert (held["mask"] == 1).all()
    assert held["factor"].tolist() == [2.5, 3]
    assert [each.name for each in model.graph.input] == ["sizes", "mask", "factor", "image"]
    two = declared({"image": image, "other": image}, BOXES)
    assert "input.name: the model has 'image', 'other': say which gets the images" in refusal(two)


@pytest.mark.parametrize(
    ("constants", "shape", "problem"),
    [
        ("{size: 1}", (1,), "constants.size: unknown input 'size' (did you mean 'sizes'?); valid"),
        ("{sizes: [1, 2, 3]}", (1, 2), "constants.sizes: the model takes sizes int64 1 x 2: "),
        ("{sizes: 1}", (99999, 99999), "constants.sizes: the model takes sizes int64 99999 x 999"),
    ],
)
def test_constants_that_do_not_fit(constants: str, shape: Dims, problem: str) -> None:
    inputs: dict[str, tuple[int, Dims]] = {
        "image": (FLOAT, (1, 3, 64, 96)),
        "sizes": (LONG, shape),
    }
    told = refusal(declared(inputs, BOXES), f"{OPEN}constants: {constants}\n")
    assert problem in told


@pytest.mark.parametrize("names", ["{1: 'dog', 0: 'Cat', 2: 'emu'}", "['cat', 'dog', 'emu']"])
def test_categories_by_the_names_in_the_model(names: str) -> None:
    model = declared({"image": (FLOAT, (1, 3, 64, 96))}, BOXES, names=names)
    task = fitted(model, OPEN.replace("[1, 2]", "auto")).config.task
    assert isinstance(task, Detector)
    assert task.categories == (1, 2, None)


@pytest.mark.parametrize(
    "names", ["", "7", "{0: 'cat', 2: 'dog'}", "(" * 10_000, "[1]", "['0', '1']"]
)
def test_metadata_that_names_no_classes(names: str) -> None:
    model = declared({"image": (FLOAT, (1, 3, 64, 96))}, BOXES, names=names)
    task = fitted(model, OPEN.replace("[1, 2]", "auto")).config.task
    assert isinstance(task, Detector)
    assert len(task.categories) == 80


def classifier(model: ModelProto) -> ModelConfig:
    return fit_model(load_config("timm"), model, SetClasses([3])).config


def test_output_of_a_classifier() -> None:
    config = classifier(declared({"x": (FLOAT, ("N", 3, 224, 224))}, CLASSES))
    assert isinstance(config.task, Classifier)
    assert config.task.output == "logits"
    two = {**CLASSES, "features": (FLOAT, ("N", 10))}
    with pytest.raises(UsageError, match=r"output: the model has 'logits', 'features': say which"):
        classifier(declared({"x": (FLOAT, ("N", 3, 224, 224))}, two))
    with pytest.raises(UsageError, match=r"input\.size: the model takes N x 3 x h x w and does"):
        classifier(declared({"x": (FLOAT, ("N", 3, "h", "w"))}, CLASSES))
