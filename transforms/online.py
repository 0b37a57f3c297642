"""Variants of one image in memory, for data loaders and notebooks: what the shards would hold."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from sysnoise.transforms.codecs.decoders import (
    UnsupportedKindError,
    decode,
    decode_to_pillow,
)
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.colors import convert
from sysnoise.transforms.fanout import decode_all, fan_out, from_source, of_decoded
from sysnoise.transforms.geometry import Placement, is_random, padded, render
from sysnoise.transforms.grid import ColorStage, Grid
from sysnoise.transforms.pixels import Pixels, Size, size_of
from sysnoise.transforms.resizers import RESIZES, resize_each
from sysnoise.transforms.variant_ids import ORIGINAL
from sysnoise.transforms.variants import Variant


@dataclass(frozen=True)
class AppliedVariant:
    """One image in one variant.

    Attributes:
        pixels: uint8, shape (H, W, 3), RGB; it may be read-only. Variants that are equal have the
            same array.
        digest: the pixel digest of the array, 32 bytes, as :func:`sysnoise.pixel_digest` gives it.
        placement: where the pixels of the source image are in the array, for boxes and points.
    """

    pixels: Pixels
    digest: bytes
    placement: Placement

    def __repr__(self) -> str:
        height, width = self.pixels.shape[:2]
        return f"<AppliedVariant: {width} x {height} pixels, digest {self.digest.hex()[:16]}>"


def apply(grid: Grid, variant: str, data: bytes, key: str | None = None) -> Pixels:
    """Return the pixels that the shards of a variant hold for an image.

    OpenCV gets one thread in this process (``cv2.setNumThreads(1)``), as in the workers that make
    shards: a data loader has processes of its own, and OpenCV's threads do not survive a fork.

    Args:
        grid: a grid with the variant.
        variant: the id of the variant, ``decoder/resize/color``, or its slug.
        data: the bytes of the image file.
        key: the sample's key, from which random geometries are drawn; others need none.

    Returns:
        uint8, shape (H, W, 3), RGB; it may be read-only.

    Raises:
        TypeError: ``data`` is a path, an array or anything else that is not bytes.
        ValueError: the variant is not in the grid, or its geometry is random and there is no key.
        DecodeError: the image cannot be decoded.
        ResizeError: a library does not support the sizes.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> from sysnoise import apply, load_grid
        >>> file = io.BytesIO()
        >>> Image.linear_gradient("L").convert("RGB").save(file, "JPEG")
        >>> grid = load_grid("imagenet-one-factor")
        >>> pixels = apply(grid, "pillow/opencv-area/rgb", file.getvalue())
        >>> pixels.shape, pixels.dtype
        ((224, 224, 3), dtype('uint8'))
    """
    image, chosen = _encoded(data), grid.variant(variant)
    key = _checked_key(grid, [chosen.geometry], key)
    cv2.setNumThreads(1)
    if _needs_pillow_alone(grid, chosen):
        return _through_pillow(grid, chosen, image, key)
    try:
        whole = decode(chosen.decoder, image, grid.orient)
    except UnsupportedKindError:
        chosen = dataclasses.replace(chosen, decoder=grid.baseline.decoder)
        whole = decode(chosen.decoder, image, grid.orient)
    pixels = from_source(grid, chosen, image, whole, key)
    if grid.color_stage is ColorStage.BEFORE_RESIZE:
        pixels = convert(chosen.color, pixels)
    placement = of_decoded(grid.place(size_of(whole), key, chosen.geometry), size_of(pixels))
    (pixels,) = render(pixels, placement, functools.partial(resize_each, [chosen.resize]))
    if grid.color_stage is ColorStage.AFTER_RESIZE:
        pixels = convert(chosen.color, pixels)
    return pixels


def apply_all(grid: Grid, data: bytes, key: str | None = None) -> dict[str, AppliedVariant]:
    """Return an image in every variant of a grid, with pixel digests and placements.

    Equal decoded images and equal results are computed once, as for shards. OpenCV gets one thread,
    as by :func:`apply`.

    Args:
        grid: the grid.
        data: the bytes of the image file.
        key: the sample's key, from which random geometries are drawn; others need none.

    Returns:
        The variants by id, in the order of the grid.

    Raises:
        TypeError: ``data`` is a path, an array or anything else that is not bytes.
        ValueError: a geometry of the grid is random, and there is no key.
        DecodeError: a decoder of the grid cannot decode the image; the message has each that fails.
        ResizeError: a library does not support the sizes.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> from sysnoise import apply_all, load_grid, map_box
        >>> file = io.BytesIO()
        >>> Image.linear_gradient("L").convert("RGB").resize((100, 100)).save(file, "JPEG")
        >>> made = apply_all(load_grid("coco-published"), file.getvalue())
        >>> list(made)
        ['pillow/pillow-bilinear/rgb', 'pillow/pillow-nearest/rgb']
        >>> made["pillow/pillow-nearest/rgb"].pixels.shape
        (800, 800, 3)
        >>> map_box([10, 0, 50, 100], made["pillow/pillow-nearest/rgb"].placement)
        [80.0, 0.0, 400.0, 800.0]
    """
    image = _encoded(data)
    key = _checked_key(grid, grid.geometry_names, key)
    cv2.setNumThreads(1)
    decoded = decode_all(grid, image, key)
    if decoded.errors:
        first = next(iter(decoded.errors.values()))
        raise DecodeError("; ".join(map(str, decoded.errors.values()))) from first
    made: dict[int, AppliedVariant] = {}
    for rendering in fan_out(grid, decoded, key):
        for position in rendering.variants:
            variant = grid.variants[position]
            whole = size_of(decoded.images[variant.decoder])
            placement = grid.place(whole, key, variant.geometry)
            made[position] = AppliedVariant(rendering.pixels, rendering.digest, placement)
    return {variant.id: made[position] for position, variant in enumerate(grid.variants)}


def _encoded(data: object) -> EncodedImage:
    """Return an image file, unless it is something else than bytes."""
    if isinstance(data, bytes):
        return EncodedImage(data)
    if isinstance(data, str | os.PathLike):
        found = f"the path {os.fspath(data)!r}"
    elif isinstance(data, np.ndarray):
        found = f"an array of {data.dtype} of shape {data.shape}"
    else:
        found = f"an object of the type {type(data).__name__}"
    raise TypeError(
        f"expected the bytes of an image file, found {found}; read the file, as "
        "pathlib.Path(...).read_bytes() does, and do not decode it"
    )


def _checked_key(grid: Grid, geometries: Iterable[str], key: str | None) -> str:
    """Return the key, or any where none is given and no geometry of these names needs one."""
    if key is not None:
        return key
    for name in geometries:
        geometry = grid.geometry_called(name)
        if is_random(geometry):
            raise ValueError(
                f"grid {grid.name!r}: the geometry {geometry.rule!r} is drawn from the sample's "
                "key, and no key was given; give the one that the sample has in a set, such as "
                "key='n01440764_10026'"
            )
    return ""


def _needs_pillow_alone(grid: Grid, variant: Variant) -> bool:
    """Whether Pillow decodes and resizes, and nothing in between needs an array."""
    return (
        variant.decoder == "pillow"
        and variant.source == ORIGINAL
        and grid.orient is Orient.STORED
        and RESIZES[variant.resize].library == "pillow"
        and (variant.color == "rgb" or grid.color_stage is ColorStage.AFTER_RESIZE)
    )


def _through_pillow(grid: Grid, variant: Variant, image: EncodedImage, key: str) -> Pixels:
    """Return a variant whose decoded image stays in Pillow's memory, which saves two copies."""
    whole = decode_to_pillow(image)
    placement = grid.place(Size(*whole.size), key, variant.geometry)
    x, y, width, height = placement.region
    part = whole if (width, height) == whole.size else whole.crop((x, y, x + width, y + height))
    resized = next(resize_each([variant.resize], part, placement.resized, placement.box))
    return convert(variant.color, padded(resized, placement))
