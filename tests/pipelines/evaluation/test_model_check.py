"""Models that are not what their config says, as tiny graphs."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.evaluation.config import Classifier, ModelConfig
from sysnoise.pipelines.evaluation.config_values import Background
from sysnoise.pipelines.evaluation.model_check import FittedModel, fit_model
from sysnoise.pipelines.evaluation.request import SetClasses
from sysnoise.transforms.model.boxes import (
    Detector,
)
from sysnoise.transforms.model.heads import (
    BoxesHead,
    BoxFormat,
    BoxUnits,
    YoloHead,
    YoloOutput,
)
from sysnoise.transforms.model.input import ChannelOrder, InputSpec, InputType, Layout

Dims = Sequence[int | str | None] | None
ANCHORS = ((1.0, 2.0), (3.0, 4.0))
SPEC = InputSpec("image", 32, 64, Layout.NCHW, ChannelOrder.RGB, (0, 0, 0), (1, 1, 1))
CLASSIFIER = ModelConfig(SPEC, Classifier("logits", Background.NONE))
GRIDS = YoloHead((YoloOutput("coarse", ANCHORS), YoloOutput("fine", ANCHORS[:1])))
DETECTOR = Detector(GRIDS, (1, 2, 3), 0.5, None, 100)
YOLO = ModelConfig(SPEC, DETECTOR)
GIVEN = BoxesHead("boxes", "scores", None, BoxFormat.XYXY, BoxUnits.PIXELS)
BOXES = ModelConfig(SPEC, dataclasses.replace(DETECTOR, head=GIVEN))
FLOAT, HALF, BYTES, LONG = (
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.UINT8,
    TensorProto.INT64,
)


def declared(
    inputs: Mapping[str, tuple[int, Dims]], outputs: Mapping[str, tuple[int, Dims]]
) -> ModelProto:
    """A graph whose outputs are what it says, of an operator that shape inference does not know."""
    node = helper.make_node("Unknown", list(inputs), list(outputs), domain="test")
    taken, given = (
        [helper.make_tensor_value_info(name, *what) for name, what in each.items()]
        for each in (inputs, outputs)
    )
    return helper.make_model(helper.make_graph([node], "declared", taken, given))


def convolutions(batch: int | str, size: tuple[int | str, int | str]) -> ModelProto:
    """Two grids by strided convolutions, whose shapes the graph does not declare.

    That of a step between is declared for another input, as in models that were given other
    inputs after their export.
    """
    weights = {"w16": np.ones((16, 3, 16, 16), np.float32), "w8": np.ones((8, 3, 8, 8), np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "w16"], ["between"], strides=[16, 16]),
        helper.make_node("Relu", ["between"], ["coarse"]),
        helper.make_node("Conv", ["image", "w8"], ["fine"], strides=[8, 8]),
    ]
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("image", FLOAT, [batch, 3, *size])],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in ("coarse", "fine")],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
        value_info=[helper.make_tensor_value_info("between", FLOAT, [1, 16, 9, 9])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def classifier(classes: int | str | None, batch: int | str = "N", **changes: Any) -> ModelProto:
    image = {"image": (FLOAT, (batch, 3, 32, 64))}
    return declared(image | changes, {"logits": (FLOAT, (batch, classes))})


def check_model(
    config: ModelConfig, model: ModelProto, labels: Collection[int], listed: int = 0
) -> FittedModel:
    return fit_model(config, model, SetClasses(labels, listed))


def problems(config: ModelConfig, model: ModelProto, labels: Collection[int]) -> list[str]:
    """Return the problems with which a model is refused, without what it says of itself."""
    with pytest.raises(UsageError) as caught:
        check_model(config, model, labels)
    lines = str(caught.value).splitlines()
    assert lines[0] == "the config does not fit the model:"
    return [line.strip() for line in lines[1 : lines.index("the model says of itself:")]]


@pytest.mark.parametrize("classes", [10, "classes", None])
def test_classifier_that_fits(classes: int | str | None) -> None:
    check_model(CLASSIFIER, classifier(classes), range(10))


def test_all_problems_are_told_at_once_with_what_the_model_says_of_itself() -> None:
    model = declared(
        {"images": (HALF, ("N", 32, 64, 3)), "size": (LONG, (2,))},
        {"probabilities": (FLOAT, ("N", 1001)), "features": (FLOAT, None)},
    )
    config = dataclasses.replace(CLASSIFIER, input=dataclasses.replace(SPEC, name="images"))
    with pytest.raises(UsageError) as caught:
        check_model(config, model, [3])
    assert str(caught.value).splitlines() == [
        "the config does not fit the model:",
        "  input: the model also needs 'size', which nothing feeds; if it is the same for every "
        "image, say 'constants: {size: [NUMBER, ...]}' in a config of your own",
        "  input.dtype: float32, but the model takes float16",
        "  input: layout NCHW and size [32, 64] make N x 3 x 32 x 64, "
        "but the model takes N x 32 x 64 x 3",
        "  output: unknown output 'logits'; valid: probabilities, features",
        "the model says of itself:",
        "  input images float16 N x 32 x 64 x 3",
        "  input size int64 2",
        "  output probabilities float32 N x 1001",
        "  output features float32 of unknown shape",
    ]


@pytest.mark.parametrize(
    ("shape", "layout", "fits"),
    [
        (("N", 3, 32, 64), Layout.NCHW, True),
        ((1, 3, "height", "width"), Layout.NCHW, True),
        (("N", 32, 64, 3), Layout.NHWC, True),
        (None, Layout.NCHW, True),
        (("N", 3, 64, 32), Layout.NCHW, False),
        (("N", 1, 32, 64), Layout.NCHW, False),
        ((3, 32, 64), Layout.NCHW, False),
    ],
)
def test_size_and_layout(shape: Dims, layout: Layout, fits: bool) -> None:
    model = classifier(10, image=(FLOAT, shape))
    spec = dataclasses.replace(SPEC, layout=layout)
    config = dataclasses.replace(CLASSIFIER, input=spec)
    if fits:
        check_model(config, model, [9])
    else:
        (problem,) = problems(config, model, [9])
        assert problem.startswith("input: layout NCHW and size [32, 64] make N x 3 x 32 x 64, but")


def test_wrong_name_of_the_only_input_hides_no_other_problem() -> None:
    spec = dataclasses.replace(SPEC, name="x", height=31, type=InputType.UINT8)
    assert problems(dataclasses.replace(CLASSIFIER, input=spec), classifier(10), [9]) == [
        "input.name: unknown input 'x'; valid: image",
        "input.dtype: uint8, but the model takes float32",
        "input: layout NCHW and size [31, 64] make N x 3 x 31 x 64, "
        "but the model takes N x 3 x 32 x 64",
    ]


def test_weights_that_an_older_model_lists_among_its_inputs() -> None:
    model = classifier(10, weights=(FLOAT, (4, 4)))
    assert problems(CLASSIFIER, model, [9]) == [
        "input: the model also needs 'weights', which nothing feeds; if it is the same for every "
        "image, say 'constants: {weights: [NUMBER, ...]}' in a config of your own"
    ]
    model.graph.initializer.append(numpy_helper.from_array(np.ones((4, 4), np.float32), "weights"))
    check_model(CLASSIFIER, model, [9])


@pytest.mark.parametrize(
    ("classes", "background", "labels", "problem"),
    [
        (1000, Background.NONE, [999], None),
        (1001, Background.FIRST, [999], None),
        (1000, Background.FIRST, [999], "output: 999 classes, but the set has labels up to 999"),
        (1000, Background.NONE, [7, 1000], "output: 1000 classes, but the set has labels up to 10"),
        (1001, Background.NONE, [7], "background: 1001 classes; ImageNet has 1000: if class 0 is"),
        (1000, Background.FIRST, [7], "background: 999 classes without the first; ImageNet has"),
    ],
)
def test_number_of_classes(
    classes: int, background: Background, labels: list[int], problem: str | None
) -> None:
    config = ModelConfig(SPEC, Classifier("logits", background))
    if problem is None:
        check_model(config, classifier(classes), labels)
    else:
        (found,) = problems(config, classifier(classes), labels)
        assert found.startswith(problem)


def test_labels_of_another_class_list_are_refused() -> None:
    """The labels of a list of five classes are no labels of ImageNet's 1,000."""
    config = ModelConfig(SPEC, Classifier("logits", Background.NONE))
    check_model(config, classifier(5), [4], 5)
    with pytest.raises(UsageError, match="1000 classes, but the set's labels are places in a"):
        check_model(config, classifier(1000), [4], 5)


def test_outputs_that_are_no_classes() -> None:
    image = {"image": (FLOAT, ("N", 3, 32, 64))}
    model = declared(image, {"logits": (LONG, ("N", 10, 1, 2))})
    assert problems(CLASSIFIER, model, [9]) == [
        "output: expected elements of float16 or float32 or float64, but the model gives int64",
        "output: a classifier gives N x classes, but the model gives N x 10 x 1 x 2",
    ]


def test_trailing_sides_of_one_are_dropped() -> None:
    """As SqueezeNet and other networks give them, which end with a pooling."""
    image = {"image": (FLOAT, ("N", 3, 32, 64))}
    check_model(CLASSIFIER, declared(image, {"logits": (FLOAT, ("N", 10, 1, 1))}), [9])


@pytest.mark.parametrize("size", [(32, 64), ("height", "width")])
def test_shapes_that_the_model_does_not_declare_are_inferred(
    size: tuple[int | str, int | str],
) -> None:
    model = convolutions(1, size)
    check_model(YOLO, model, [3, 17])
    four = dataclasses.replace(DETECTOR, categories=(1, 2, 3, 4))
    assert problems(ModelConfig(SPEC, four), model, [1]) == [
        "head.outputs[0]: 2 anchors x (5 + 4 categories) make N x 18 x rows x columns, "
        "but the model gives 1 x 16 x 2 x 4",
        "head.outputs[1]: 1 anchors x (5 + 4 categories) make N x 9 x rows x columns, "
        "but the model gives 1 x 8 x 4 x 8",
    ]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    given = session.run(None, {"image": np.zeros((1, 3, 32, 64), np.float32)})
    assert [each.shape for each in given] == [(1, 16, 2, 4), (1, 8, 4, 8)]


@pytest.mark.parametrize(("height", "width"), [(36, 64), (33, 66)])
def test_grids_that_do_not_divide_the_input(height: int, width: int) -> None:
    spec = dataclasses.replace(SPEC, height=height, width=width)
    model = convolutions("N", ("height", "width"))
    size = f"[{height}, {width}]"
    assert problems(dataclasses.replace(YOLO, input=spec), model, [1]) == [
        f"head.outputs[0]: a grid of 2 x 4 cells does not divide size {size} into squares",
        f"head.outputs[1]: a grid of 4 x 8 cells does not divide size {size} into squares",
    ]


def test_outputs_of_a_detector_that_are_not_there() -> None:
    model = classifier(10)
    assert problems(YOLO, model, [1]) == [
        "head.outputs[0].name: unknown output 'coarse'; valid: logits",
        "head.outputs[1].name: unknown output 'fine'; valid: logits",
    ]
    assert problems(BOXES, model, [1]) == [
        "head.boxes: unknown output 'boxes'; valid: logits",
        "head.scores: unknown output 'scores'; valid: logits",
    ]


def detector(**outputs: tuple[int, Dims]) -> ModelProto:
    return declared({"image": (FLOAT, (1, 3, 32, 64))}, outputs)


def test_ids_that_begin_with_0() -> None:
    config = ModelConfig(SPEC, dataclasses.replace(DETECTOR, head=GIVEN, categories=(0, 1)))
    model = detector(boxes=(FLOAT, (1, 9, 4)), scores=(FLOAT, (1, 9, 2)))
    (found,) = problems(config, model, [1, 2])
    assert found.startswith("categories: 0 is not in the set, whose ids begin with 1; COCO's 80")
    check_model(config, model, [0, 1])


def test_boxes_that_the_model_has_decoded() -> None:
    labeled = dataclasses.replace(GIVEN, labels="labels")
    with_labels = dataclasses.replace(DETECTOR, head=labeled)
    check_model(BOXES, detector(boxes=(FLOAT, (1, 9, 4)), scores=(HALF, (1, 9, 3))), [1])
    check_model(BOXES, detector(boxes=(FLOAT, (1, "n", 4)), scores=(FLOAT, None)), [1])
    model = detector(boxes=(FLOAT, (1, 9, 4)), scores=(FLOAT, (1, 9)), labels=(LONG, (1, 9)))
    check_model(ModelConfig(SPEC, with_labels), model, [1])
    assert problems(BOXES, model, [1]) == [
        "head.scores: with 3 categories expected N x boxes x 3, but the model gives 1 x 9",
        "head: boxes is 1 x 9 x 4; such outputs fit 'head: {type: boxes, boxes: boxes, scores: "
        "scores, labels: labels, format: xyxy, units: pixels}'; 'sysnoise configs' lists all "
        "configs",
    ]
    model = detector(boxes=(LONG, (1, 8, 5)), scores=(FLOAT, (1, 9)), labels=(BYTES, (1, 9, 1)))
    assert problems(ModelConfig(SPEC, with_labels), model, [1]) == [
        "head.boxes: expected elements of float16 or float32 or float64, but the model gives int64",
        "head.boxes: with 3 categories expected N x boxes x 4, but the model gives 1 x 8 x 5",
        "head.labels: expected elements of int32 or int64 or float16 or float32 or float64, "
        "but the model gives uint8",
        "head.labels: with 3 categories expected N x boxes, but the model gives 1 x 9 x 1",
        "head: the outputs have different numbers of boxes: boxes 8, scores 9, labels 9",
    ]


def test_categories_of_another_dataset() -> None:
    model = convolutions(1, (32, 64))
    assert problems(YOLO, model, [90, 17]) == [
        "categories: none of them is in the set, which has '17', '90'"
    ]
    check_model(YOLO, model, [])


@pytest.mark.parametrize(("batch", "images"), [("N", None), (1, 1)])
def test_batch_size(batch: int | str, images: int | None) -> None:
    assert check_model(CLASSIFIER, classifier(10, batch), [9]).images == images


def test_model_of_a_fixed_larger_batch() -> None:
    assert problems(CLASSIFIER, classifier(10, 4), [9]) == [
        "input: the model takes batches of 4 only; export it for batches of 1 or of any size"
    ]


def test_model_is_not_changed() -> None:
    model = convolutions("N", ("height", "width"))
    before = model.SerializeToString(deterministic=True)
    check_model(YOLO, model, [1])
    assert model.SerializeToString(deterministic=True) == before
