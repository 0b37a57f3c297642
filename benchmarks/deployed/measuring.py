"""Comparing decoders, resizes and stacks of the field with the methods, over photographs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.deployed.photographs import Photograph
from benchmarks.deployed.real import Real
from sysnoise import Grid, apply
from sysnoise.pipelines.cli.photographs import SUBSAMPLINGS, jpeg_bytes
from sysnoise.transforms.codecs.decoders import decode
from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.difference import Difference, merged
from sysnoise.transforms.methods import is_available
from sysnoise.transforms.pixel_difference import difference
from sysnoise.transforms.pixels import Pixels, size_of
from sysnoise.transforms.resizers import resize
from sysnoise.transforms.variants import BASELINE, METHODS, Stack

SHORTER_SIDE = 256
PART = (200, 150)
"""Width and height of the central part that is enlarged."""

Figures = dict[str, float]
Sums = Mapping[str, Mapping[str, Difference]]
"""Differences by method and by kind of input."""


def measured_decoders(
    real: Iterable[Real], photographs: Sequence[Photograph]
) -> list[dict[str, Any]]:
    """Compare decoders with all methods, on the photographs in each subsampling.

    The photographs are encoded by Pillow at quality 90, as those of the catalogue are.
    """
    rows, names = list(real), _available("decoder")
    sums = [_no_sums() for _ in rows]
    for photograph in photographs:
        stored = decode(BASELINE.decoder, EncodedImage(photograph.data))
        for subsampling in SUBSAMPLINGS:
            data = jpeg_bytes(stored, subsampling)
            methods = {name: decode(name, EncodedImage(data)) for name in names}
            for row, of_row in zip(rows, sums, strict=True):
                _add(of_row, ":".join(subsampling), row.function(data), methods)
    return [_row("decoder", *each) for each in zip(rows, sums, strict=True)]


def measured_resizes(
    real: Iterable[Real], photographs: Sequence[Photograph]
) -> list[dict[str, Any]]:
    """Compare resizes with all methods, reducing photographs and enlarging parts of them."""
    rows, names = list(real), _available("resize")
    sums = [_no_sums() for _ in rows]
    for photograph in photographs:
        pixels = decode(BASELINE.decoder, EncodedImage(photograph.data))
        for kind, source in (("reduced", pixels), ("enlarged", central_part(pixels))):
            size = shorter_side(source)
            methods = {name: resize(name, source, size) for name in names}
            for row, of_row in zip(rows, sums, strict=True):
                _add(of_row, kind, row.function(source, size), methods)
    return [_row("resize", *each) for each in zip(rows, sums, strict=True)]


def measured_stacks(
    grid: Grid, real: Mapping[str, Real], photographs: Sequence[Photograph]
) -> list[dict[str, Any]]:
    """Compare chains of calls with the stacks of a grid that stand for them."""
    return [
        _stack_row(grid, stack, real[stack.name], photographs)
        for stack in grid.stacks
        if stack.name in real
    ]


def _stack_row(
    grid: Grid, stack: Stack, real: Real, photographs: Sequence[Photograph]
) -> dict[str, Any]:
    """Compare one stack; images to which the real thing gives another size are counted apart."""
    variant = stack.variant.id
    found = []
    for each in photographs:
        own = apply(grid, variant, each.data, each.path.name)
        pixels = real.function(each.data, size_of(own))
        if pixels.shape == own.shape:
            found.append(difference(pixels, own))
    return {
        "stack": stack.name,
        "variant": variant,
        "name": real.name,
        "versions": real.versions,
        "rounding": real.rounding,
        "images": len(photographs),
        "other_sizes": len(photographs) - len(found),
        "equal_images": sum(each.identical_images for each in found),
        "worst_mean": max(round(each.mean or 0.0, 4) for each in found),
        "distance": figures(merged(found)),
    }


def shorter_side(pixels: Pixels) -> tuple[int, int]:
    """Return width and height with a shorter side of 256, the longer one truncated."""
    height, width = pixels.shape[:2]
    factor = SHORTER_SIDE / min(height, width)
    return int(width * factor), int(height * factor)


def central_part(pixels: Pixels) -> Pixels:
    """Return the central part of at most 200 x 150 pixels."""
    height, width = pixels.shape[:2]
    part_width, part_height = min(PART[0], width), min(PART[1], height)
    left, upper = (width - part_width) // 2, (height - part_height) // 2
    return pixels[upper : upper + part_height, left : left + part_width].copy()


def _available(axis: str) -> list[str]:
    """Return the methods that are installed; ``none`` resizes nothing."""
    methods = METHODS[axis].values()
    return [each.name for each in methods if each.name != "none" and is_available(each)]


def _no_sums() -> dict[str, dict[str, Difference]]:
    return defaultdict(lambda: defaultdict(Difference))


def _add(
    sums: dict[str, dict[str, Difference]],
    kind: str,
    pixels: Pixels,
    methods: Mapping[str, Pixels],
) -> None:
    for name, of_method in methods.items():
        sums[name][kind] += difference(pixels, of_method)


def _row(axis: str, real: Real, sums: Sums) -> dict[str, Any]:
    """Return the figures of a row: against the nearest method, and against the baseline's.

    Decoders are compared on all kinds of input; resizes where they reduce, which they mostly do.
    """
    compared = slice(None) if axis == "decoder" else slice(1)
    nearest = min(sums, key=lambda name: merged(list(sums[name].values())[compared]).absolute_sum)
    return {
        "name": real.name,
        "versions": real.versions,
        "rounding": real.rounding,
        "nearest": nearest,
        "distance": {kind: figures(found) for kind, found in sums[nearest].items()},
        "baseline": {kind: figures(found) for kind, found in sums[getattr(BASELINE, axis)].items()},
    }


def figures(found: Difference) -> Figures:
    """Return mean, maximum and share of changed pixels, as they are shown."""
    return {
        "mean": round(found.mean or 0.0, 4),
        "maximum": found.maximum,
        "changed_share": round(found.changed_share or 0.0, 4),
    }
