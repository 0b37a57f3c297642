"""Access to an ONNX graph: its nodes and their attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import onnx
from onnx import helper

from sysnoise.transforms.errors import ModelNoiseError

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
"""The shapes of tensors by name."""


def copy_of(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy that shares no data with the model."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operator set that the model uses."""
    return max(int(each.version) for each in model.opset_import if each.domain in ("", "ai.onnx"))


def nodes_of(model: onnx.ModelProto, *types: str) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of the main graph, in order, that are ONNX's own operators of these types."""
    for node in model.graph.node:
        if node.op_type in types and node.domain in ("", "ai.onnx"):
            yield node


def label(node: onnx.NodeProto) -> str:
    """Return the node's type and name, or its outputs where it has no name."""
    return f"{node.op_type} {node.name!r}" if node.name else f"{node.op_type} of {_quoted(node)}"


def _quoted(node: onnx.NodeProto) -> str:
    return ", ".join(repr(name) for name in node.output if name)


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes that are set in the node, by name; texts are ``str``."""
    values = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def replace_attributes(node: onnx.NodeProto, removed: Iterable[str], **added: Any) -> None:
    """Remove attributes from a node and add others, in place."""
    gone = {*removed, *added}
    kept = [each for each in node.attribute if each.name not in gone]
    del node.attribute[:]
    node.attribute.extend(kept)
    node.attribute.extend(helper.make_attribute(name, value) for name, value in added.items())


def input_of(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """Return the model's one input.

    Raises:
        ModelNoiseError: the model has no input, or several.
    """
    # Up to IR version 3, the weights are listed among the inputs.
    weights = {each.name for each in model.graph.initializer}
    inputs: list[onnx.ValueInfoProto]
    inputs = [each for each in model.graph.input if each.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(repr(each.name) for each in inputs) or "none"
        raise ModelNoiseError(f"a model with one input is needed; this one's inputs: {names}")
    return inputs[0]
