"""Anchors and boxes relative to them against torchvision's generator and decoder."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torchvision.models.detection import retinanet_resnet50_fpn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from sysnoise.pipelines.evaluation.named_configs import load_config
from sysnoise.transforms.geometry import Native
from sysnoise.transforms.model.anchors import anchor_corners, decode_deltas
from sysnoise.transforms.model.boxes import BoxOffset, Detector, Nms, detect
from sysnoise.transforms.model.heads import AnchorsHead
from sysnoise.transforms.pixels import Size

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


def test_detections_are_those_of_torchvision() -> None:
    """RetinaNet with random weights, whose own outputs are compared with those of its heads."""
    torch.manual_seed(0)
    height, width = 288, 352
    network = retinanet_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        min_size=height,
        max_size=width,
        detections_per_img=100,
    ).eval()
    torch.nn.init.normal_(network.head.classification_head.cls_logits.weight, std=0.04)
    torch.nn.init.normal_(network.head.regression_head.bbox_reg.weight, std=0.02)
    image = torch.rand(3, height, width)
    with torch.no_grad():
        (expected,) = network([image])
        features = network.backbone(network.transform([image])[0].tensors)
        heads = network.head(list(features.values()))
    head = dataclasses.replace(retinanet(), scores="cls_logits", deltas="bbox_regression")
    classes = tuple(range(91))  # Without training, the background is a class as any other.
    detector = Detector(head, classes, 0.05, Nms(0.5), 100)
    outputs = {name: tensor[0].numpy() for name, tensor in heads.items()}
    whole = Native().place(Size(width, height), 0, "")
    made = detect(outputs, detector, whole, BoxOffset.NONE)
    boxes = expected["boxes"].numpy().astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    assert len(made.scores) == len(boxes) == 100
    assert len({*made.classes.tolist()}) > 1
    np.testing.assert_allclose(made.scores, expected["scores"].numpy(), atol=1e-6)
    assert made.classes.tolist() == expected["labels"].tolist()
    np.testing.assert_allclose(made.boxes, boxes, atol=1e-3)
