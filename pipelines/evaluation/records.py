"""What passes between the steps of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sysnoise.pipelines.evaluation.config import ModelConfig
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.model.boxes import BoxOffset


@dataclass(frozen=True)
class InferenceJob:
    """What a process must know to run a model over a set.

    Attributes:
        set_url: of the set.
        images_url: of the source images that pixels are made from; None to read the shards.
        predictions_url: of the folder of predictions.
        model: path of the model below it.
        model_sha256: of that file.
        config: of the model.
        batch_size: number of images that are run at once.
        runtime: versions and CPU features that decide the last bits of a prediction.
    """

    set_url: str
    images_url: str | None
    predictions_url: str
    model: str
    model_sha256: str
    config: ModelConfig
    batch_size: int
    runtime: Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """A setting whose predictions come of a pass.

    Attributes:
        slug: of the setting.
        offset: how its boxes are decoded.
    """

    slug: str
    offset: BoxOffset


@dataclass(frozen=True)
class Pass:
    """The images of one shard of a variant, through one model.

    Attributes:
        shard: its number.
        variant: id of the variant.
        targets: what its predictions stand for: several, where variants have the same pixels on
            every image of the shard, or boxes are decoded in several ways.
    """

    shard: int
    variant: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class ImageKey:
    """Which image of which pass an input of the model is.

    Attributes:
        of: the pass.
        images: number of images of the pass.
        key: of the sample.
        image_id: of COCO; None of ImageNet.
        placement: where in the model's input the stored image stands.
    """

    of: Pass
    images: int
    key: str
    image_id: int | None
    placement: Placement
