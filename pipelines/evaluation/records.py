"""What passes between the steps of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sysnoise.pipelines.evaluation.config import ModelConfig
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.model.boxes import BoxOffset


@dataclass(frozen=True)
class InferenceJob:
    """What a process must know to run a model over a set.

    Attributes:
        set_url: the set.
        images_url: the source images that pixels are made from; None to read the shards.
        predictions_url: the folder of predictions.
        model: path of the model below that folder.
        model_sha256: sha256 of the model's file, in hexadecimal.
        config: config of the model.
        batch_size: number of images per batch.
        runtime: versions and CPU features that decide the last bits of a prediction.
    """

    set_url: str = field(repr=False)  # URLs can hold passwords, and runners print their work.
    images_url: str | None = field(repr=False)
    predictions_url: str = field(repr=False)
    model: str
    model_sha256: str
    config: ModelConfig
    batch_size: int
    runtime: Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """A setting whose predictions a pass makes.

    Attributes:
        slug: slug of the setting.
        offset: how boxes are decoded.
    """

    slug: str
    offset: BoxOffset


@dataclass(frozen=True)
class Pass:
    """The images of one shard of a variant, through one model.

    Attributes:
        shard: number of the shard.
        variant: id of the variant.
        targets: the settings that the predictions are for: several, where variants have the same
            pixels on every image of the shard, or boxes are decoded in several ways.
    """

    shard: int
    variant: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class ImageKey:
    """The image, and its pass, that an input of the model is made from.

    Attributes:
        of: the pass.
        images: number of images of the pass.
        key: the sample's key.
        image_id: COCO's id of the image; None for ImageNet.
        placement: placement of the stored image in the model's input.
    """

    of: Pass
    images: int
    key: str
    image_id: int | None
    placement: Placement
