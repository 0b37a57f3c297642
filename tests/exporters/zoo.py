"""The models of the paper's tables with random weights, and their export to ONNX by PyTorch.

Weights are those of PyTorch's initialization from a fixed seed, and batch normalizations have the
statistics of two images, so that features neither vanish nor grow. The branches of residual blocks
are scaled down, as training does it, because random networks amplify the rounding of float32; the
layers that give scores are scaled so that scores differ by more than that. Detectors take images of
another size than they work at, so that the resize of torchvision is in the graph.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import onnx
import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.resnet import BasicBlock, Bottleneck

torch.set_num_threads(1)

SEED = 20230700


class Exporter(Enum):
    """PyTorch's exporters to ONNX; the values are names of columns."""

    LEGACY = "legacy"
    """The one that traces, ``dynamo=False``."""
    DYNAMO = "dynamo"
    """The one that is built on ``torch.export``, ``dynamo=True``."""


class ExportError(Exception):
    """PyTorch cannot export the model."""


@dataclass(frozen=True)
class Entry:
    """A model of the table.

    Attributes:
        build: makes the model.
        shape: the shape of its input.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]


class Heads(nn.Module):  # type: ignore[misc]
    """A detector up to the results of its heads, which is what dynamo can export."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.backbone = detector.backbone
        self.head = detector.rpn.head if hasattr(detector, "rpn") else detector.head

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the scores and deltas of all anchors, as the detector's head returns them."""
        found = self.head(list(self.backbone(image).values()))
        if isinstance(found, dict):
            return [found["cls_logits"], found["bbox_regression"]]
        return [each for level in zip(*found, strict=True) for each in level]


def _googlenet() -> nn.Module:
    model = torchvision.models.googlenet(aux_logits=False, init_weights=False)
    nn.init.normal_(model.fc.weight, std=0.005)
    return model


def _retinanet() -> nn.Module:
    model = detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None, min_size=288)
    last = model.head.classification_head.cls_logits
    nn.init.normal_(last.weight, std=0.2)
    nn.init.zeros_(last.bias)
    return model


def _faster_rcnn() -> nn.Module:
    model = detection.fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, min_size=288, box_score_thresh=0.02
    )
    nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=0.08)
    return model


def _ssdlite() -> nn.Module:
    model = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    for level in model.head.classification_head.module_list:
        nn.init.normal_(level[-1].weight, std=0.1)
    return model


_IMAGE = (1, 3, 224, 224)
_PHOTOGRAPH = (1, 3, 224, 256)

MODELS: Mapping[str, Entry] = {
    "ResNet-18": Entry(torchvision.models.resnet18, _IMAGE),
    "ResNet-50": Entry(torchvision.models.resnet50, _IMAGE),
    "MobileNetV2": Entry(torchvision.models.mobilenet_v2, _IMAGE),
    "RegNetX-400M": Entry(torchvision.models.regnet_x_400mf, _IMAGE),
    "GoogLeNet": Entry(_googlenet, _IMAGE),
    "ViT-Tiny": Entry(lambda: timm.create_model("vit_tiny_patch16_224"), _IMAGE),
    "Swin-T": Entry(torchvision.models.swin_t, _IMAGE),
    "RetinaNet R50": Entry(_retinanet, _PHOTOGRAPH),
    "RetinaNet R50, heads": Entry(lambda: Heads(_retinanet()), (1, 3, 288, 352)),
    "Faster R-CNN R50": Entry(_faster_rcnn, _PHOTOGRAPH),
    "Faster R-CNN R50, RPN heads": Entry(lambda: Heads(_faster_rcnn()), (1, 3, 288, 352)),
    "SSDLite": Entry(_ssdlite, _PHOTOGRAPH),
}


def build(name: str) -> nn.Module:
    """Return a model of the table, in evaluation mode, with the same weights at every call."""
    torch.manual_seed(SEED)
    model = MODELS[name].build().eval()
    for block in model.modules():
        if isinstance(block, BasicBlock | Bottleneck):
            nn.init.constant_(getattr(block, "bn3", block.bn2).weight, 0.2)
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        model(torch.cat([image_for(name, 1), image_for(name, 2)]))
    return model.eval()


def image_for(name: str, seed: int = 0) -> Tensor:
    """Return an input of random pixels, 0 to 1."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(MODELS[name].shape, generator=generator)


def export(model: nn.Module, image: Tensor, exporter: Exporter) -> onnx.ModelProto:
    """Export a model for images of one size, as the exporter does it by default.

    Raises:
        ExportError: PyTorch cannot.
    """
    buffer = io.BytesIO()
    given: dict[str, Any] = {"input_names": ["input"], "dynamo": exporter is Exporter.DYNAMO}
    if exporter is Exporter.DYNAMO:
        given |= {"external_data": False, "verbose": False}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(model, (image,), buffer, **given)
        except Exception as error:  # The exporters raise errors of all kinds.
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            first = str(cause).strip().splitlines()[0]
            raise ExportError(f"{type(cause).__name__}: {first}") from error
    return onnx.load_from_string(buffer.getvalue())
