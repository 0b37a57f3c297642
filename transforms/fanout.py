"""The fan-out: one image becomes all variants of a grid, and each distinct array is computed once.

Different decoders give the same pixels for most images, so the results of each stage are compared,
and equal ones share everything that is computed from them. The last stage is a generator: at any
time, a sample holds its distinct decoded images, the intermediate images of one of them, and one
result.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2

from sysnoise.transforms.codecs.decoders import UnsupportedKindError, decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.sources import SCALED, decode_from
from sysnoise.transforms.colors import convert
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.geometry import Placement, Region, render
from sysnoise.transforms.grid import ColorStage, Grid
from sysnoise.transforms.pixels import Pixels, Size, size_of
from sysnoise.transforms.resizers import resize_each
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY, ORIGINAL
from sysnoise.transforms.variants import Variant


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


@dataclass(frozen=True)
class Decoded:
    """One image as every decoder of a grid gives it.

    Attributes:
        images: the pixels of the file as it is, by decoder; decoders that agree share one array.
        fallbacks: the errors of decoders that are not made for this kind of file, by decoder; these
            have the pixels of the baseline's decoder.
        errors: the errors of decoders that failed, by decoder; these have no image.
        variants: the pixels that each variant of the grid starts from, in the order of the grid:
            those of ``images``, or those of its source; empty where a decoder failed.
    """

    images: Mapping[str, Pixels]
    fallbacks: Mapping[str, DecodeError]
    errors: Mapping[str, DecodeError]
    variants: Sequence[Pixels] = ()


def decode_all(grid: Grid, image: EncodedImage, key: str) -> Decoded:
    """Decode an image with every decoder and source of the grid, and turn it as the grid says.

    Args:
        grid: the grid.
        image: the image file.
        key: the sample's key.
    """
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
    whole = images | dict.fromkeys(unsupported, baseline)
    variants = [] if errors else _decode_variants(grid, image, whole, unsupported, key, errors)
    return Decoded(whole, unsupported, errors, variants)


def _decode_variants(
    grid: Grid,
    image: EncodedImage,
    whole: Mapping[str, Pixels],
    unsupported: Container[str],
    key: str,
    errors: dict[str, DecodeError],
) -> list[Pixels]:
    """Return the pixels that each variant starts from; those that are equal share one array.

    Where a source fails, ``errors`` gets the decoder that met it, and there are none.
    """
    decoded: dict[tuple[str, str, str], Pixels] = {}
    variants = []
    for variant in grid.variants:
        if variant.decoder in unsupported:
            variant = dataclasses.replace(variant, decoder=grid.baseline.decoder)
        if variant.source == ORIGINAL:
            variants.append(whole[variant.decoder])
            continue
        geometry = variant.geometry if variant.source == SCALED else FIRST_GEOMETRY
        origin = (variant.source, variant.decoder, geometry)
        if origin not in decoded:
            try:
                pixels = from_source(grid, variant, image, whole[variant.decoder], key)
            except DecodeError as error:
                errors[variant.decoder] = error
                return []
            decoded[origin] = _first_equal(pixels, (*whole.values(), *decoded.values()))
        variants.append(decoded[origin])
    return variants


def from_source(
    grid: Grid, variant: Variant, image: EncodedImage, whole: Pixels, key: str
) -> Pixels:
    """Return the pixels that a variant starts from.

    Args:
        grid: a grid with the variant.
        variant: the variant.
        image: the image file.
        whole: what the variant's decoder gives for the file as it is.
        key: the sample's key.

    Raises:
        DecodeError: the file cannot be changed or decoded as the variant's source says.
    """
    if variant.source == ORIGINAL:
        return whole
    resized = grid.place(size_of(whole), key, variant.geometry).resized
    return decode_from(variant.source, variant.decoder, image, grid.orient, resized, whole)


def fan_out(
    grid: Grid, decoded: Decoded, key: str, selected: Container[int] | None = None
) -> Iterator[Rendering]:
    """Compute the variants of one sample.

    Args:
        grid: the grid.
        decoded: the image as :func:`decode_all` returns it, without errors.
        key: the sample's key.
        selected: positions in ``grid.variants`` to compute beside the baseline; by default all.

    Yields:
        One rendering for all variants that have an array in common because their decoders or their
        first stages agree. Every computed variant is in exactly one rendering, and the baseline is
        in the first.
    """
    for pixels, members in _group_by_image(grid, decoded.variants, selected):
        for whole, of_size in _group_by_size(grid, decoded, members):
            first, second = _stages(grid, whole, key)
            for intermediate, positions in _merge_equal(_run(grid, of_size, first, pixels)):
                for result, same in _run(grid, positions, second, intermediate):
                    yield Rendering(same, pixel_digest(result), result)


_Group = tuple[Pixels, tuple[int, ...]]
"""An array and the positions of the variants that have it."""


_Method = tuple[str, ...]
"""What a stage needs to know of a variant: a color, or a geometry and a resize."""


@dataclass(frozen=True)
class _Stage:
    """A stage after decoding.

    Attributes:
        method: what the stage needs to know of a variant.
        apply: a function of methods and an array; it gives one array for each method.
    """

    method: Callable[[Variant], _Method]
    apply: Callable[[Iterable[_Method], Pixels], Iterable[Pixels]]


def _stages(grid: Grid, whole: Size, key: str) -> tuple[_Stage, _Stage]:
    """Return the two stages after decoding, color and resize, in the order of the grid.

    Args:
        grid: the grid.
        whole: the size to which the file decodes at full scale.
        key: the sample's key.
    """

    def convert_each(colors: Iterable[_Method], pixels: Pixels) -> Iterable[Pixels]:
        return (convert(name, pixels) for (name,) in colors)

    def place_each(methods: Iterable[_Method], pixels: Pixels) -> Iterable[Pixels]:
        for geometry, group in itertools.groupby(methods, lambda each: each[0]):
            placement = of_decoded(grid.place(whole, key, geometry), size_of(pixels))
            names = [resize for _, resize in group]
            yield from render(pixels, placement, functools.partial(resize_each, names))

    color_stage = _Stage(lambda variant: (variant.color,), convert_each)
    resize_stage = _Stage(lambda variant: (variant.geometry, variant.resize), place_each)
    if grid.color_stage is ColorStage.BEFORE_RESIZE:
        return color_stage, resize_stage
    return resize_stage, color_stage


def of_decoded(placement: Placement, decoded: Size) -> Placement:
    """Return the placement of an image that was decoded at a reduced scale, if it was.

    Args:
        placement: the placement of the image at full scale.
        decoded: the size to which it was decoded.
    """
    if decoded == placement.source:
        return placement
    return dataclasses.replace(placement, source=decoded, region=Region(0, 0, *decoded))


def _group_by_image(
    grid: Grid, images: Sequence[Pixels], selected: Container[int] | None
) -> Iterable[_Group]:
    baseline = grid.variants.index(grid.baseline)
    others = (each for each in range(len(grid.variants)) if selected is None or each in selected)
    positions = dict.fromkeys((baseline, *others))
    return _join((images[position], (position,)) for position in positions)


def _group_by_size(
    grid: Grid, decoded: Decoded, members: Iterable[int]
) -> Iterator[tuple[Size, list[int]]]:
    """Group variants by the size to which their decoder decodes the file at full scale."""
    groups: dict[Size, list[int]] = {}
    for position in members:
        whole = size_of(decoded.images[grid.variants[position].decoder])
        groups.setdefault(whole, []).append(position)
    return iter(groups.items())


def _run(grid: Grid, members: Iterable[int], stage: _Stage, pixels: Pixels) -> Iterator[_Group]:
    """Apply to one array each method that any of the variants has at a stage."""
    by_method: dict[_Method, tuple[int, ...]] = {}
    for position in members:
        method = stage.method(grid.variants[position])
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
    return one is other or (one.shape == other.shape and cv2.norm(one, other, cv2.NORM_INF) == 0)
