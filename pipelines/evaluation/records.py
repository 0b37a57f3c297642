"""What passes between the steps of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.model.boxes import BoxOffset
from sysnoise.transforms.pixels import Pixels

SampleRow = Mapping[str, Any]
"""A row of the samples table, by column."""

SampleImage = tuple[str, SampleRow, Pixels]
"""Id of a variant, row of the samples table, and pixels."""

Rows = Mapping[BoxOffset, Sequence[Mapping[str, Any]]]
"""The predictions for an image, by the way in which boxes are decoded."""


Batch = Sequence[tuple["ImageKey", Pixels]]
"""Fitted images of one pass that run together, with their keys."""

RunBatch = Callable[[Batch], Sequence[Any]]
"""Returns the outputs for each image of a batch; an error in place of outputs says that it failed.
It can be called by several threads at once, and raises nothing."""


class Inference(Protocol):
    """What runs over images: an ONNX model with its config, or a predictor of the user's own."""

    @property
    def name(self) -> str:
        """What it is, for messages."""

    @property
    def image_bytes(self) -> int:
        """The largest number of bytes of a fitted image."""

    def fit(self, image: Pixels) -> tuple[Pixels, Placement]:
        """Give an image the size that is needed, and return where the image is in it.

        Raises:
            ValueError: it cannot be done.
        """

    def load(self) -> RunBatch:
        """Load it in this process, once for all of its threads.

        Raises:
            InputError: it cannot be loaded.
            ShardError: this process has other libraries than the one that began the run.
        """

    def rows(self, key: ImageKey, outputs: Any) -> Rows:
        """Return the predictions that the outputs for one image hold.

        Raises:
            ModelError: the outputs are not what they should be.
        """


@dataclass(frozen=True)
class InferenceJob:
    """What a process must know to run a model over a set.

    Attributes:
        set_url: the set.
        images_url: the source images that pixels are made from; None to read the shards.
        predictions_url: the folder of predictions.
        inference: what runs over the images.
        batch_size: number of images per batch.
    """

    set_url: str = field(repr=False)  # URLs can hold passwords, and runners print their work.
    images_url: str | None = field(repr=False)
    predictions_url: str = field(repr=False)
    inference: Inference
    batch_size: int


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
