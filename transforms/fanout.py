"""One image to all variants of a grid, each distinct array computed once.

Different decoders give the same pixels on most images, so each stage's results are keyed by their
content and everything below is shared. The last stage is a generator: at any time one sample holds
its distinct decoded images, one intermediate image and one result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from transforms.arrays import Pixels, pixel_digest
from transforms.colors import convert
from transforms.decoders import DecodeError, UnsupportedKindError, decode
from transforms.geometry import Placement, render
from transforms.grid import ColorStage, Grid
from transforms.resizers import resize


@dataclass(frozen=True)
class Rendering:
    """One array and the variants that have it.

    Attributes:
        variants: positions in ``grid.variants``.
        digest: the pixel digest of the array.
        pixels: uint8, shape (H, W, 3), C order.
    """

    variants: tuple[int, ...]
    digest: bytes
    pixels: Pixels


def apply(grid: Grid, variant_id: str, data: bytes, key: str) -> Pixels:
    """Return the pixels that a variant's shard holds for this image.

    Args:
        grid: a grid with the variant.
        variant_id: ``decoder/resize/color``.
        data: the bytes of the image file.
        key: the sample's key, from which random geometries are drawn.

    Returns:
        uint8, shape (H, W, 3), RGB.

    Raises:
        ValueError: the variant is not in the grid.
        DecodeError: the image cannot be decoded.
    """
    variant = grid.variant(variant_id)
    try:
        pixels = decode(variant.decoder, data)
    except UnsupportedKindError:
        pixels = decode(grid.baseline.decoder, data)
    for stage in _stages(grid, grid_placement(grid, pixels, key)):
        pixels = stage.function(getattr(variant, stage.axis), pixels)
    return pixels


def grid_placement(grid: Grid, pixels: Pixels, key: str) -> Placement:
    """Return where the grid's geometry places a decoded image of these pixels' size."""
    height, width = pixels.shape[:2]
    return grid.geometry.place(width, height, grid.seed, key)


@dataclass(frozen=True)
class Decoded:
    """One image as every decoder of a grid gives it.

    Attributes:
        images: pixels by decoder; decoders that agree share one array.
        fallbacks: decoders that are not made for this kind of file, with their errors; they have
            the pixels of the baseline's decoder.
        errors: of the decoders that failed, which have no image.
    """

    images: Mapping[str, Pixels]
    fallbacks: Mapping[str, DecodeError]
    errors: Mapping[str, DecodeError]


def decode_all(grid: Grid, data: bytes) -> Decoded:
    """Decode with every decoder of the grid."""
    images: dict[str, Pixels] = {}
    unsupported: dict[str, DecodeError] = {}
    errors: dict[str, DecodeError] = {}
    distinct: dict[bytes, Pixels] = {}
    for name in grid.decoders:
        try:
            pixels = decode(name, data)
        except UnsupportedKindError as error:
            unsupported[name] = error
        except DecodeError as error:
            errors[name] = error
        else:
            images[name] = distinct.setdefault(pixel_digest(pixels), pixels)
    baseline = images.get(grid.baseline.decoder)
    if baseline is None:
        return Decoded(images, {}, errors | unsupported)
    return Decoded(images | dict.fromkeys(unsupported, baseline), unsupported, errors)


def fan_out(grid: Grid, images: Mapping[str, Pixels], key: str) -> Iterator[Rendering]:
    """Compute every variant of one sample.

    Args:
        grid: the grid.
        images: decoded image by decoder; the same object where decoders agree, as
            :func:`decode_all` gives them.
        key: the sample's key.

    Yields:
        Distinct arrays, each once for all variants that share it below one intermediate image;
        every variant of the grid stands in exactly one of them, the baseline in the first.
    """
    for decoded, members in _group_by_image(grid, images):
        first, second = _stages(grid, grid_placement(grid, decoded, key))
        for intermediate in _distinct(grid, members, first, decoded):
            yield from _distinct(grid, intermediate.variants, second, intermediate.pixels)


@dataclass(frozen=True)
class _Stage:
    """A step below the decoder: the axis of its methods, and how to apply one by name."""

    axis: str
    function: Callable[[str, Pixels], Pixels]


def _stages(grid: Grid, placement: Placement) -> tuple[_Stage, _Stage]:
    def place(name: str, pixels: Pixels) -> Pixels:
        return render(pixels, placement, functools.partial(resize, name))

    color_stage, resize_stage = _Stage("color", convert), _Stage("resize", place)
    if grid.color_stage is ColorStage.BEFORE_RESIZE:
        return color_stage, resize_stage
    return resize_stage, color_stage


def _group_by_image(
    grid: Grid, images: Mapping[str, Pixels]
) -> Iterable[tuple[Pixels, tuple[int, ...]]]:
    groups: dict[int, tuple[Pixels, tuple[int, ...]]] = {}
    baseline = grid.variants.index(grid.baseline)
    positions = sorted(range(len(grid.variants)), key=lambda position: position != baseline)
    for position in positions:
        pixels = images[grid.variants[position].decoder]
        _, members = groups.get(id(pixels), (pixels, ()))
        groups[id(pixels)] = (pixels, (*members, position))
    return groups.values()


def _distinct(
    grid: Grid, members: Iterable[int], stage: _Stage, pixels: Pixels
) -> Iterable[Rendering]:
    """Apply a stage's methods to one array; results with equal content are merged."""
    by_method: dict[str, tuple[int, ...]] = {}
    for position in members:
        method = getattr(grid.variants[position], stage.axis)
        by_method[method] = (*by_method.get(method, ()), position)
    results: dict[bytes, Rendering] = {}
    for method, positions in by_method.items():
        result = stage.function(method, pixels)
        digest = pixel_digest(result)
        same = results[digest].variants if digest in results else ()
        results[digest] = Rendering((*same, *positions), digest, result)
    return results.values()
