"""Inputs of a model that are the same for every image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


def with_constants(
    model: onnx.ModelProto, constants: Mapping[str, NDArray[Any]]
) -> onnx.ModelProto:
    """Return a model in which some inputs are constants, so that nothing has to feed them.

    Args:
        model: a model; it is not changed.
        constants: what these inputs hold, by their names, in their shapes and types.
    """
    if not constants:
        return model
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    kept = [each for each in changed.graph.input if each.name not in constants]
    del changed.graph.input[:]
    changed.graph.input.extend(kept)
    changed.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in constants.items()
    )
    return changed
