"""What is known before a model runs, against what ONNX Runtime gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from sysnoise.transforms.errors import ModelNoiseError
from sysnoise.transforms.model.preparation import learn, prepare, start
from tests.transforms.model.graphs import floats, model_of, node, noise

NODES = [
    # The image is resized by a factor that is computed from its size, as in torchvision.
    node("Shape", "x", "shape"),
    node("Shape", "x", "last", start=-1),
    node("Size", "x", "elements"),
    node("Gather", "shape two", "height", axis=0),
    node("Cast", "height", "length", to=onnx.TensorProto.FLOAT),
    node("Div", "target length", "factor"),
    node("Mul", "length factor", "scaled"),
    node("Floor", "scaled", "floored"),
    node("Cast", "floored", "size", to=onnx.TensorProto.INT64),
    node("Slice", "shape zero two1", "front"),
    node("Concat", "front size size", "sizes", axis=0),
    node("Resize", "x - - sizes", "r", mode="linear"),
    node("Conv", "r k", "c"),
    node("Relu", "c", "positive"),
    node("NonZero", "positive", "found"),
    node("Shape", "c", "c_shape"),
    node("Unsqueeze", "c_shape zero", "row"),
    node("Split", "row", "first rest", axis=1),
    node("ConstantOfShape", "c_shape", "empty"),
    node("Reshape", "positive minus", "y"),
]
WEIGHTS: dict[str, Any] = {
    "two": np.array([2]),
    "two1": np.array([2]),
    "zero": np.array([0]),
    "minus": np.array([0, -1]),
    "target": floats(20),
    "k": noise(4, 3, 3, 3),
}


def everything(model: onnx.ModelProto, x: Any) -> dict[str, Any]:
    """The results of all nodes, from ONNX Runtime."""
    names = [name for each in model.graph.node for name in each.output]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return dict(zip(names, session.run(names, {"x": x}), strict=True))


@pytest.mark.parametrize("shape", [(1, 3, 9, 12), (1, 3, 30, 17)])
def test_sizes_and_shapes_are_those_of_the_runtime(shape: tuple[int, ...]) -> None:
    model = model_of(NODES, ["N", 3, "H", "W"], WEIGHTS, 15, y=["N", None])
    known = prepare(model, shape)
    # The values are not those of the image, on which alone the number of pixels above 0 depends.
    results = everything(model, noise(*shape))
    assert known.shapes.keys() - {"x", *WEIGHTS} == results.keys() - {"found"}
    for name in results.keys() - {"found"}:
        assert known.shapes[name] == results[name].shape
    computed = known.values.keys() - WEIGHTS.keys()
    assert computed == results.keys() - {"r", "c", "positive", "found", "y"}
    for name in computed:
        assert known.values[name].dtype == results[name].dtype
        assert np.array_equal(known.values[name], results[name])


def test_fixed_sizes_of_the_model_come_first() -> None:
    model = model_of([node("Relu", "x", "y")], [2, 3, "H", 7])
    assert prepare(model, (1, 3, 5, 5)).shapes == {"x": (2, 3, 5, 7), "y": (2, 3, 5, 7)}
    with pytest.raises(ModelNoiseError, match=r"^input 'x' has 4 axes, but the shape \(1, 7\) was"):
        prepare(model, (1, 7))


def test_what_does_not_fit_is_not_known() -> None:
    nodes = [
        node("Odd", "x", "odd", domain="own"),
        node("Relu", "odd", "after"),
        node("Add", "x k", "sum"),
        node("Relu", "x", "wrong", slope=1.0),
        node("RandomNormalLike", "k", "random"),
        node("Relu", "x", "y"),
    ]
    model = model_of(nodes, [1, 3, 5, 5], {"k": noise(4, 4)})
    assert prepare(model, (1, 3, 5, 5)).shapes.keys() == {"x", "k", "random", "y"}
    assert prepare(model, (1, 3, 5, 5)).values.keys() == {"k"}


def test_a_node_that_is_visited_again_forgets() -> None:
    model = model_of([node("Neg", "k", "y")], [1, 3, 5, 5], {"k": noise(4, 4)})
    known = start(model, (1, 3, 5, 5))
    learn(known, model.graph.node[0])
    assert np.array_equal(known.values["y"], -noise(4, 4))
    learn(known, node("Relu", "other", "y"))
    assert "y" not in known.shapes.keys() | known.values.keys()
