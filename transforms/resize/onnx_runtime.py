"""ONNX Runtime's ``Resize``, from the extra ``evaluate``.

Each process keeps one session per method, whose model is that one operator. It runs in the thread
that calls it, takes images of any size, and frees the memory of an image at once.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize.task import ResizeTask

OPSET = 18
"""ONNX's version of the operator, the first one that has ``antialias``."""

_IR_VERSION = 8
"""ONNX's version of the file that came with this opset."""

_Planes = NDArray[Any]
"""uint8 or float32, shape (1, 3, H, W), C order."""


class ElementType(Enum):
    """What the operator computes on, and what becomes of its results."""

    FLOAT = "float32"
    """Results are rounded to the nearest, halves to even, and cut off at 0 and 255."""
    UINT8 = "uint8"
    """ONNX Runtime itself cuts the fractions off."""


@dataclass(frozen=True)
class OnnxResize:
    """The attributes of the operator, by ONNX's names; others have its defaults.

    Attributes:
        mode: ``linear`` or ``cubic``.
        coordinate_transformation_mode: which place of the source an output pixel shows.
        antialias: 1 if the filter widens with the reduction.
        cubic_coeff_a: the cubic's parameter.
        exclude_outside: 1 if pixels beyond the border have no weight, 0 if they repeat the border.
        element: the type of the tensors.
    """

    mode: str
    coordinate_transformation_mode: str = "half_pixel"
    antialias: int = 0
    cubic_coeff_a: float = -0.75
    exclude_outside: int = 0
    element: ElementType = ElementType.FLOAT

    def attributes(self) -> dict[str, Any]:
        """Return the attributes that have an effect."""
        found: dict[str, Any] = {
            "mode": self.mode,
            "coordinate_transformation_mode": self.coordinate_transformation_mode,
            "antialias": self.antialias,
        }
        if self.mode == "cubic":
            found["cubic_coeff_a"] = self.cubic_coeff_a
        if self.mode == "cubic" or self.antialias:
            found["exclude_outside"] = self.exclude_outside
        return found

    def options(self) -> dict[str, str | int | bool]:
        """Return what decides the pixels, for the identity."""
        truncated = self.element is ElementType.UINT8
        return {
            "operator": "Resize",
            "opset": OPSET,
            "layout": "NCHW",
            "type": self.element.value,
            "rounding": "truncated by ONNX Runtime" if truncated else "rint",
            **{
                name: str(value) if isinstance(value, float) else value
                for name, value in self.attributes().items()
            },
        }


def resize_onnx_runtime(task: ResizeTask, *, operator: OnnxResize) -> Pixels:
    """Resize with ONNX Runtime's CPU provider, in one thread.

    Source: ONNX, operator ``Resize`` of opset 18, which gets the sizes, and the pixels as NCHW.
    """
    floats = operator.element is ElementType.FLOAT
    planes = _resized(operator, task.converted(_float_planes if floats else _planes), task.size)
    left, upper, right, lower = task.box
    part = planes[0, :, upper:lower, left:right]
    return np.ascontiguousarray((_rounded(part) if floats else part).transpose(1, 2, 0))


def _resized(operator: OnnxResize, planes: _Planes, size: tuple[int, int]) -> _Planes:
    """Run the operator; it writes into NumPy's memory, so that none of ONNX Runtime's is held."""
    width, height = size
    sizes = np.array([1, 3, height, width], np.int64)
    result = np.empty(sizes, planes.dtype)
    session = _session(operator, os.getpid())
    binding = session.io_binding()
    binding.bind_cpu_input("image", planes)
    binding.bind_cpu_input("sizes", sizes)
    binding.bind_output("resized", "cpu", 0, planes.dtype.type, result.shape, result.ctypes.data)
    session.run_with_iobinding(binding)
    return result


def _planes(pixels: Pixels) -> _Planes:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis])


def _float_planes(pixels: Pixels) -> _Planes:
    return _planes(pixels).astype(np.float32)


def _rounded(planes: _Planes) -> _Planes:
    """Round floats to bytes, in place, because results can be large."""
    np.rint(planes, out=planes)
    np.clip(planes, 0, 255, out=planes)
    return planes.astype(np.uint8)


@functools.cache
def _session(operator: OnnxResize, process: int) -> Any:
    """Load the operator; a forked process loads its own.

    Without the arena and memory patterns, nothing grows with the sizes that were seen.
    """
    import onnxruntime  # It comes with an extra.

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(
        _model(operator), options, providers=["CPUExecutionProvider"]
    )


def _model(operator: OnnxResize) -> bytes:
    """Return the model: inputs ``image`` and ``sizes``, NCHW of any size."""
    from onnx import TensorProto, helper

    floats = operator.element is ElementType.FLOAT
    element = TensorProto.FLOAT if floats else TensorProto.UINT8
    node = helper.make_node(
        "Resize", ["image", "", "", "sizes"], ["resized"], **operator.attributes()
    )
    inputs = [
        helper.make_tensor_value_info("image", element, [1, 3, None, None]),
        helper.make_tensor_value_info("sizes", TensorProto.INT64, [4]),
    ]
    outputs = [helper.make_tensor_value_info("resized", element, [1, 3, None, None])]
    graph = helper.make_graph([node], "resize", inputs, outputs)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION
    )
    return bytes(model.SerializeToString())
