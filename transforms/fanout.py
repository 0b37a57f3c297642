"""The fan-out: one image becomes all variants of a grid, and each distinct array is computed once.

Different decoders give the same pixels for most images, so the results of each stage are compared,
and equal ones share everything that is computed from them. The last stage is a generator: at any
time, a sample holds its distinct decoded images, the intermediate images of one of them, and one
result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2

from sysnoise.transforms.codecs.decoders import UnsupportedKindError, decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.colors import convert
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.geometry import Placement, render
from sysnoise.transforms.grid import ColorStage, Grid
from sysnoise.transforms.pixels import Pixels, size_of
from sysnoise.transforms.resizers import resize_each


@dataclass(frozen=True)
class Rendering:
    """One array and the variants that have it.

    Attributes:
        variants: the positions of the variants in ``grid.variants``.
        digest: the pixel digest of the array, 32 bytes.
        pixels: uint8, shape (H, W, 3), C order.
    """

    variants: tuple[int, ...]
    digest: bytes
    pixels: Pixels


def apply(grid: Grid, variant_id: str, data: bytes, key: str) -> Pixels:
    """Return the pixels that the shards of a variant hold for this image.

    Args:
        grid: a grid with the variant.
        variant_id: the id of the variant, ``decoder/resize/color``.
        data: the bytes of the image file.
        key: the sample's key, from which random geometries are drawn.

    Returns:
        uint8, shape (H, W, 3), RGB.

    Raises:
        ValueError: the variant is not in the grid.
        DecodeError: the image cannot be decoded.
        ResizeError: a library does not support the sizes.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> from sysnoise import apply, load_grid
        >>> file = io.BytesIO()
        >>> Image.linear_gradient("L").convert("RGB").save(file, "JPEG")
        >>> grid = load_grid("imagenet-one-factor")
        >>> pixels = apply(grid, "pillow/opencv-area/rgb", file.getvalue(), key="gradient")
        >>> pixels.shape, pixels.dtype
        ((224, 224, 3), dtype('uint8'))
    """
    variant, image = grid.variant(variant_id), EncodedImage(data)
    try:
        pixels = decode(variant.decoder, image, grid.orient)
    except UnsupportedKindError:
        pixels = decode(grid.baseline.decoder, image, grid.orient)
    for stage in _stages(grid, grid.place(size_of(pixels), key)):
        (pixels,) = stage.apply([getattr(variant, stage.axis)], pixels)
    return pixels


@dataclass(frozen=True)
class Decoded:
    """One image as every decoder of a grid gives it.

    Attributes:
        images: the pixels by decoder; decoders that agree share one array.
        fallbacks: the errors of decoders that are not made for this kind of file, by decoder; these
            have the pixels of the baseline's decoder.
        errors: the errors of decoders that failed, by decoder; these have no image.
    """

    images: Mapping[str, Pixels]
    fallbacks: Mapping[str, DecodeError]
    errors: Mapping[str, DecodeError]


def decode_all(grid: Grid, image: EncodedImage) -> Decoded:
    """Decode an image with every decoder of the grid, and turn it as the grid says."""
    images: dict[str, Pixels] = {}
    unsupported: dict[str, DecodeError] = {}
    errors: dict[str, DecodeError] = {}
    for name in grid.decoders:
        try:
            pixels = decode(name, image, grid.orient)
        except UnsupportedKindError as error:
            unsupported[name] = error
        except DecodeError as error:
            errors[name] = error
        else:
            images[name] = _first_equal(pixels, images.values())
    baseline = images.get(grid.baseline.decoder)
    if baseline is None:
        return Decoded(images, {}, errors | unsupported)
    return Decoded(images | dict.fromkeys(unsupported, baseline), unsupported, errors)


def fan_out(
    grid: Grid, images: Mapping[str, Pixels], key: str, selected: Container[int] | None = None
) -> Iterator[Rendering]:
    """Compute the variants of one sample.

    Args:
        grid: the grid.
        images: the decoded image by decoder; decoders that agree have the same object, as
            :func:`decode_all` returns them.
        key: the sample's key.
        selected: positions in ``grid.variants`` to compute beside the baseline; by default all.

    Yields:
        One rendering for all variants that have an array in common because their decoders or their
        first stages agree. Every computed variant is in exactly one rendering, and the baseline is
        in the first.
    """
    for decoded, members in _group_by_image(grid, images, selected):
        first, second = _stages(grid, grid.place(size_of(decoded), key))
        for intermediate, positions in _merge_equal(_run(grid, members, first, decoded)):
            for pixels, same in _run(grid, positions, second, intermediate):
                yield Rendering(same, pixel_digest(pixels), pixels)


_Group = tuple[Pixels, tuple[int, ...]]
"""An array and the positions of the variants that have it."""


@dataclass(frozen=True)
class _Stage:
    """A stage after decoding: the axis of its methods, and how they are applied to one array."""

    axis: str
    apply: Callable[[Iterable[str], Pixels], Iterable[Pixels]]


def _stages(grid: Grid, placement: Placement) -> tuple[_Stage, _Stage]:
    def convert_each(names: Iterable[str], pixels: Pixels) -> Iterable[Pixels]:
        return (convert(name, pixels) for name in names)

    def place_each(names: Iterable[str], pixels: Pixels) -> Iterable[Pixels]:
        return render(pixels, placement, functools.partial(resize_each, names))

    color_stage, resize_stage = _Stage("color", convert_each), _Stage("resize", place_each)
    if grid.color_stage is ColorStage.BEFORE_RESIZE:
        return color_stage, resize_stage
    return resize_stage, color_stage


def _group_by_image(
    grid: Grid, images: Mapping[str, Pixels], selected: Container[int] | None
) -> Iterable[_Group]:
    baseline = grid.variants.index(grid.baseline)
    others = (each for each in range(len(grid.variants)) if selected is None or each in selected)
    positions = dict.fromkeys((baseline, *others))
    return _join((images[grid.variants[position].decoder], (position,)) for position in positions)


def _run(grid: Grid, members: Iterable[int], stage: _Stage, pixels: Pixels) -> Iterator[_Group]:
    """Apply to one array each method that any of the variants has at a stage."""
    by_method: dict[str, tuple[int, ...]] = {}
    for position in members:
        method = getattr(grid.variants[position], stage.axis)
        by_method[method] = (*by_method.get(method, ()), position)
    return zip(stage.apply(by_method, pixels), by_method.values(), strict=True)


def _merge_equal(groups: Iterable[_Group]) -> Iterable[_Group]:
    """Join groups whose arrays are equal."""
    seen: list[Pixels] = []
    shared = []
    for pixels, positions in groups:
        seen.append(_first_equal(pixels, seen))
        shared.append((seen[-1], positions))
    return _join(shared)


def _join(groups: Iterable[_Group]) -> Iterable[_Group]:
    """Join groups that have the same array object."""
    joined: dict[int, _Group] = {}
    for pixels, positions in groups:
        _, earlier = joined.get(id(pixels), (pixels, ()))
        joined[id(pixels)] = (pixels, (*earlier, *positions))
    return joined.values()


def _first_equal(pixels: Pixels, others: Iterable[Pixels]) -> Pixels:
    """Return the first of the others that has these pixels, or the pixels themselves."""
    return next((other for other in others if _equal(other, pixels)), pixels)


def _equal(one: Pixels, other: Pixels) -> bool:
    # OpenCV's norm needs a sixth of the time of numpy.array_equal.
    return one.shape == other.shape and cv2.norm(one, other, cv2.NORM_INF) == 0
