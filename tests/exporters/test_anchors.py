"""Anchors and boxes relative to them against torchvision's generator and decoder."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from sysnoise.pipelines.evaluation.named_configs import load_config
from sysnoise.transforms.model.anchors import anchor_corners, decode_deltas
from sysnoise.transforms.model.boxes import Detector
from sysnoise.transforms.model.heads import AnchorsHead

pytestmark = pytest.mark.exporters

STRIDES = (8, 16, 32, 64, 128)
SIZES = tuple((x, int(x * 2 ** (1 / 3)), int(x * 2 ** (2 / 3))) for x in (32, 64, 128, 256, 512))
"""Those of torchvision's RetinaNet."""


def retinanet() -> AnchorsHead:
    task = load_config("retinanet-anchors").task
    assert isinstance(task, Detector)
    assert isinstance(task.head, AnchorsHead)
    return task.head


@pytest.mark.parametrize(("height", "width"), [(800, 1344), (1344, 800), (800, 1088), (224, 320)])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])
def test_anchors_and_boxes_are_those_of_torchvision(
    height: int, width: int, weights: tuple[float, float, float, float]
) -> None:
    maps = [
        torch.zeros(1, 1, math.ceil(height / stride), math.ceil(width / stride))
        for stride in STRIDES
    ]
    image = ImageList(torch.zeros(1, 3, height, width), [(height, width)])
    generator = AnchorGenerator(SIZES, ((0.5, 1.0, 2.0),) * len(SIZES))
    expected = generator(image, maps)[0].double()
    anchors = anchor_corners(retinanet(), width, height)
    assert np.array_equal(anchors, expected.numpy())
    deltas = torch.randn(len(anchors), 4, dtype=torch.float64)
    deltas[0] = 100  # More than the logarithm of 1000 / 16.
    boxes = BoxCoder(weights).decode_single(deltas, expected).numpy()
    made = decode_deltas(anchors, deltas.numpy(), weights, 0.0)
    np.testing.assert_allclose(made, boxes, rtol=1e-12, atol=1e-9)
