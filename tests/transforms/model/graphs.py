"""Tiny ONNX models, and running them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]
Axes = Sequence[int | str | None]

ALL = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
NONE = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


def node(kind: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    """A node with inputs and outputs separated by blanks; ``-`` for one that is left out."""
    read, written = ([each.replace("-", "") for each in text.split()] for text in (inputs, outputs))
    return helper.make_node(kind, read, written, name=name, **attributes)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    x: Axes,
    weights: Mapping[str, NDArray[Any]] | None = None,
    opset: int = 13,
    **outputs: Axes,
) -> onnx.ModelProto:
    """A model with the input ``x``; where no outputs are given, with ``y`` of four axes."""
    results = outputs or {"y": [None] * 4}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in results.items()],
        [numpy_helper.from_array(each, name) for name, each in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def run(model: onnx.ModelProto, x: Array, level: Any = ALL) -> list[Array]:
    """Check the model, and run it on one thread."""
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # As the evaluation has it: CPUs without VNNI saturate sums of int8 otherwise.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: list[Array] = session.run(None, {"x": x})
    for each in (*session.get_inputs(), *session.get_outputs()):
        assert each.type == "tensor(float)"
    return found


def noise(*shape: int, seed: int = 0) -> Array:
    """Normal values around 0."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


def bytes_of(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def unchanged(model: onnx.ModelProto) -> Iterator[None]:
    before = bytes_of(model)
    yield
    assert bytes_of(model) == before


def find(model: onnx.ModelProto, kind: str) -> list[dict[str, Any]]:
    """The attributes of all nodes of a type, in order; texts as ``str``."""
    found = []
    for each in model.graph.node:
        if each.op_type == kind:
            values = {a.name: helper.get_attribute_value(a) for a in each.attribute}
            found.append({k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()})
    return found


def declared(value: onnx.ValueInfoProto) -> list[int | str]:
    """The axes that a model declares for a tensor: sizes, or names of open ones."""
    return [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim]
