"""INT8: ONNX Runtime's static post-training quantization, as QuantizeLinear and DequantizeLinear.

Ranges are the smallest and largest values over the calibration (MinMax). Weights are int8 and
symmetric, which its CPU kernels and its quantization per channel require. Activations are int8 and
symmetric (zero point 0), or uint8 and asymmetric, which its documentation recommends for x64.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from enum import Enum

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from sysnoise.transforms.errors import ModelNoiseError, plain_message
from sysnoise.transforms.model.graph import input_of, nodes_of, opset_of
from sysnoise.transforms.model.layers import network_nodes

Calibration = Callable[[], Iterator[NDArray[np.float32]]]
"""A function that yields input tensors, one batch each; every call yields the same ones."""

_FLOAT = onnx.TensorProto.FLOAT

_FIRST_OPSET = 13
"""The first opset in which QuantizeLinear has an axis."""


class Activations(Enum):
    """How activations are quantized."""

    SYMMETRIC = "int8, symmetric"
    ASYMMETRIC = "uint8, asymmetric"


class Extent(Enum):
    """Which nodes are quantized."""

    NETWORK = "network"
    """The weighted layers and all from which one gets its features: see
    :func:`~sysnoise.transforms.model.layers.network_nodes`."""
    WHOLE_GRAPH = "whole graph"
    """All that the library can quantize."""


class Weights(Enum):
    """How many scales a weight tensor has."""

    PER_TENSOR = "int8, symmetric, per tensor"
    PER_CHANNEL = "int8, symmetric, per channel"


def quantize(
    model: onnx.ModelProto,
    calibration: Calibration,
    activations: Activations,
    weights: Weights,
    extent: Extent = Extent.NETWORK,
) -> onnx.ModelProto:
    """Quantize weights and activations to eight bits; input and output stay float32.

    The model is first simplified as ONNX Runtime's documentation recommends (constants folded,
    batch normalization fused into convolutions). Then each node gets a copy of its own of the
    constants that it shares with others: with ``session.x64quantprecision``, a session of ONNX
    Runtime 1.32 would convert a shared int8 weight once for each node, and fail. Weights use all
    eight bits on every CPU (``reduce_range`` is off), so that the result does not depend on the
    machine. On x64 CPUs without VNNI, the fast kernels can overflow; sessions there need
    ``session.x64quantprecision``.

    The same model, calibration and versions give the same bytes. The library works on files, which
    are in a temporary folder.

    Args:
        model: a model with one input, of opset 13 or later.
        calibration: the inputs over which ranges are found.
        activations: how activations are quantized.
        weights: how weights are quantized.
        extent: which nodes are quantized.

    Returns:
        The changed model; the model itself where the library finds nothing to quantize.

    Raises:
        ModelNoiseError: the opset is older, the calibration is empty, or the library cannot
            quantize the model.
    """
    if opset_of(model) < _FIRST_OPSET:
        raise ModelNoiseError(
            f"int8 needs opset {_FIRST_OPSET} or later, and the model is of opset "
            f"{opset_of(model)}; convert it with onnx.version_converter"
        )
    batches = calibration()
    first = next(batches, None)
    if first is None:
        raise ModelNoiseError("int8 needs calibration, and there is no sample for it")
    reader = _Reader(input_of(model).name, itertools.chain([first], batches))
    with tempfile.TemporaryDirectory(prefix="onnx-") as folder:
        given, prepared, result = (os.path.join(folder, f"{n}.onnx") for n in "123")
        # The library would change a model that it gets as an object.
        onnx.save(model, given)
        try:
            quant_pre_process(given, prepared, skip_symbolic_shape=True)
            simple = onnx.load(prepared)
            unshare_constants(simple)
            spared = _spared_nodes(simple) if extent is Extent.NETWORK else []
            onnx.save(simple, prepared)
            _quantize_file(prepared, result, reader, activations, weights, spared)
        except Exception as error:  # The runtime's own errors have no common base.
            if error is reader.failure or isinstance(error, OSError):
                raise
            raise ModelNoiseError(
                f"ONNX Runtime cannot quantize it: {plain_message(error)}"
            ) from error
        changed = onnx.load(result)
    return changed if any(nodes_of(changed, "QuantizeLinear")) else model


def unshare_constants(model: onnx.ModelProto) -> None:
    """Give each use of a float constant that is used several times a copy of its own, in place.

    Args:
        model: a model whose constants are initializers. Graphs inside of its nodes, and outputs
            that are constants, keep the first.
    """
    graph = model.graph
    constants = {each.name: each for each in graph.initializer if each.data_type == _FLOAT}
    taken: set[str] = set()
    for number, node in enumerate(graph.node):
        for place, name in enumerate(node.input):
            if name in taken:
                copy = graph.initializer.add()
                copy.CopyFrom(constants[name])
                copy.name = node.input[place] = f"{name}/{number}/{place}"
            elif name in constants:
                taken.add(name)


def _spared_nodes(model: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes outside of the network; they get names of their own, in place.

    The library takes nodes by name, and those that it made have none.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    floats = {each.name for each in values if each.type.tensor_type.elem_type == _FLOAT}
    spared = []
    for place, is_network in enumerate(network_nodes(model, floats)):
        if not is_network:
            node = model.graph.node[place]
            node.name = f"{node.name}/{place}/float"
            spared.append(node.name)
    return spared


def _quantize_file(
    source: str,
    result: str,
    reader: _Reader,
    activations: Activations,
    weights: Weights,
    spared: list[str],
) -> None:
    symmetric = activations is Activations.SYMMETRIC
    quantize_static(
        source,
        result,
        reader,
        quant_format=QuantFormat.QDQ,
        per_channel=weights is Weights.PER_CHANNEL,
        reduce_range=False,
        activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=spared,
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True},
    )


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """A calibration in the form that the library reads.

    Attributes:
        failure: the error of the calibration itself, if it failed.
    """

    def __init__(self, name: str, batches: Iterator[NDArray[np.float32]]) -> None:
        self.name = name
        self.batches = batches
        self.failure: Exception | None = None

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        try:
            batch = next(self.batches, None)
        except Exception as error:
            self.failure = error
            raise
        return None if batch is None else {self.name: batch}
