"""The catalogue of noise: what every method does, and pictures of what it changes.

``python -m benchmarks.catalogue`` (``make catalogue``) measures all methods, extras included, on
the shipped photographs, and writes ``docs/catalogue.md`` and ``docs/catalogue/``.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.report import table
from sysnoise.manifests.stands_for import stands_for
from sysnoise.pipelines.cli.photographs import SUBSAMPLINGS, jpeg_bytes, photographs
from sysnoise.transforms.codecs.decoders import decode
from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.codecs.sources import decode_from
from sysnoise.transforms.colors import convert
from sysnoise.transforms.difference import Difference
from sysnoise.transforms.documents import geometry_document
from sysnoise.transforms.geometry import PRESETS, Geometry, render
from sysnoise.transforms.libraries import library_build
from sysnoise.transforms.methods import Method, is_available
from sysnoise.transforms.pixel_difference import difference
from sysnoise.transforms.pixels import Pixels, Size, size_of
from sysnoise.transforms.resizers import resize, resize_each
from sysnoise.transforms.variant_ids import ORIGINAL
from sysnoise.transforms.variants import BASELINE, METHODS

DOCS = Path(__file__).parent.parent / "docs"
PAGE, PICTURES = DOCS / "catalogue.md", DOCS / "catalogue"
FIGURES = PICTURES / "figures.json"
SHORTER_SIDE = 256
AMPLIFIED = 8
CROP = (slice(322, 418), slice(118, 214))
"""Rows and columns of ``astronaut`` that the pictures show; of the resized one, half of them."""
CROP_RESIZED = (slice(138, 234), slice(10, 106))
COLORS_OF_PICTURES = 128
GEOMETRY_SIDE = 160

Results = Mapping[str, Any]

HALVED = "Of an even width that is at least halved, every second column gives the chroma."
VARIATIONS = {
    "pillow-nearest": "The pixel under the center of the output pixel.",
    "pillow-box": "The mean of the pixels that the output pixel covers.",
    "pillow-bilinear": "A triangle of 1 pixel on each side, times the reduction.",
    "pillow-hamming": "A sinc of 1 pixel on each side, times the reduction, Hamming-windowed.",
    "pillow-bicubic": "A cubic (a = -0.5) of 2 pixels on each side, times the reduction.",
    "pillow-lanczos": "A sinc of 3 pixels on each side, times the reduction, Lanczos-windowed.",
    "opencv-nearest": "The pixel at `floor(x * reduction)`, left of and above the center.",
    "opencv-linear": "Linear between the 2 x 2 nearest pixels at any reduction, so it aliases.",
    "opencv-area": "The mean over the area that the output pixel covers. Enlarging is an "
    "interpolation with other weights than those of `opencv-linear`.",
    "opencv-cubic": "A cubic (a = -0.75) over 4 x 4 pixels at any reduction, so it aliases.",
    "opencv-lanczos4": "A Lanczos window over 8 x 8 pixels at any reduction, so it aliases.",
    "opencv-nearest-exact": "The pixel under the center of the output pixel, in integers.",
    "opencv-linear-exact": "`opencv-linear` in fixed point, which is the same on every CPU.",
    "ffmpeg-accurate": "`ffmpeg` with accurate rounding and full chroma interpolation, with which "
    "libswscale always uses its scaler.",
    "ffmpeg-bilinear": f"A triangle of 1 pixel on each side, times the reduction. {HALVED}",
    "ffmpeg-bicubic": "A cubic (a = -0.6) of 2 pixels on each side, times the reduction. " + HALVED,
    "ffmpeg-area": f"The mean over the area that the output pixel covers. {HALVED}",
    "ffmpeg-lanczos": "A sinc of 3 pixels on each side, times the reduction, Lanczos-windowed. "
    + HALVED,
    "dali-triangular": "A triangle of 1 pixel on each side, times the reduction: DALI's default.",
    "dali-linear": "Linear between the 2 x 2 nearest pixels at any reduction, so it aliases.",
    "ort-linear": "Linear between the 2 x 2 nearest pixels at any reduction, so it aliases: "
    "`half_pixel`, as TensorFlow 2 and PyTorch place pixels.",
    "ort-linear-asymmetric": "Linear between 2 x 2 pixels at `x * reduction`, without the half "
    "pixel: TensorFlow 1's `resize_bilinear`.",
    "ort-linear-align-corners": "Linear between 2 x 2 pixels, placed so that the centers of the "
    "corner pixels stay where they are: `align_corners` of PyTorch and TensorFlow 1.",
    "ort-linear-uint8": "`ort-linear` on bytes, whose results ONNX Runtime cuts off instead of "
    "rounding them.",
    "ort-linear-antialias": "A triangle of 1 pixel on each side, times the reduction.",
    "ort-cubic-05": "A cubic (a = -0.5) over 4 x 4 pixels at any reduction, so it aliases; pixels "
    "beyond the border have no weight, as in TensorFlow 2.",
    "ort-cubic-antialias": "A cubic (a = -0.75, ONNX's default) of 2 pixels on each side, times "
    "the reduction; the border is repeated.",
    "vips-lanczos3": "A sinc of 3 pixels on each side, times the reduction, Lanczos-windowed; "
    "before it, averages over whole factors, so that at least a factor of 2 is left to it. "
    "Enlarging is a cubic (a = -0.5) that is shifted by half a pixel "
    "([libvips#943](https://github.com/libvips/libvips/issues/943)).",
    "vips-shrink": "`vips-lanczos3` that averages over whole factors as far as possible, and so "
    "libvips's operation `shrink`; enlarging is the same.",
    "skia-mipmap": "Linear in the image and in its half, mixed by the reduction less half an "
    "octave; for smaller results likewise in the half and the quarter, and so on.",
    "skia-mitchell": "Mitchell and Netravali's cubic (B = C = 1/3) over 4 x 4 pixels at any "
    "reduction, so it aliases; it blurs a little, also where the size stays.",
    "skia-catmull-rom": "A cubic (a = -0.5) over 4 x 4 pixels at any reduction, so it aliases; the "
    "border is repeated.",
    "jpeglib-6b": "libjpeg 6b, from which the others descend.",
    "jpeglib-7": "libjpeg 7, which upsamples chroma inside the DCT.",
    "jpeglib-8d": "libjpeg 8d, which upsamples chroma inside the DCT.",
    "jpeglib-9e": "libjpeg 9e, which upsamples chroma inside the DCT.",
    "jpeglib-mozjpeg4": "mozjpeg 4.0.3.",
    "jpeglib-turbo2": "libjpeg-turbo 2.1.0, without SIMD.",
}
"""How methods that share a function differ."""

INTRODUCTION = f"""# Catalogue of noise

This page says what every method does, where it comes from, and how much it changes.
`make catalogue` writes the page from the docstrings in `transforms/` and from measurements with the
versions below.

**Pictures** show a part of `astronaut`, encoded by Pillow as a 4:2:0 JPEG of quality 90: on the
left the result of the method, on the right its difference from the baseline, {AMPLIFIED} times as
large, around gray. The pictures of geometries show `coffee`. All are reduced to
{COLORS_OF_PICTURES} colors to save space. `astronaut` is by NASA, in the public domain; `coffee` is
by Rachel Michetti, CC0; both come with scikit-image.

**Figures** are the mean / maximum absolute difference from the baseline, of 255 levels, over the
six photographs that scikit-image and scikit-learn ship, as JPEGs of quality 90.
[Methods beyond the common wheels](methods.md) describes how some of the methods are related.
What a method **stands for** in the field was measured on other photographs
([what the methods stand for](deployed.md)).
"""

SECTIONS = {
    "decoder": """## Decoders

Figures are against `pillow`, on 4:4:4, 4:2:2 and 4:2:0 JPEGs. All decoders except `opencv-exif`
ignore the EXIF orientation. [Odd files](odd-files.md) says what happens to other files.
""",
    "resize": f"""## Resizes

Figures are against `pillow-bilinear`, on 4:2:0 JPEGs that Pillow decodes, resized to a shorter side
of {SHORTER_SIDE} pixels.
""",
    "color": """## Colors

Figures are against `rgb`, on 4:2:0 JPEGs that Pillow decodes, without a resize.
""",
    "source": f"""## Sources

What becomes of a file before, or while, a decoder reads it. Figures are against `original`, on
4:2:0 JPEGs that Pillow decodes, resized by `pillow-bilinear` to a shorter side of {SHORTER_SIDE}
pixels. None of the photographs has a color profile, and one is twice as large as its result.
""",
    "geometry": """## Geometries

A grid has one of these geometries, or a rule with its own parameters.
""",
}


def main() -> None:
    """Measure all methods and write page, figures and pictures."""
    absent = {
        str(method.extra)
        for methods in METHODS.values()
        for method in methods.values()
        if not is_available(method)
    }
    if absent:
        sys.exit(
            f"the catalogue needs the extras {', '.join(sorted(absent))}; see 'make catalogue'"
        )
    results = {
        "builds": {library: library_build(library) for library in sorted(_libraries())},
        "figures": {
            axis: {name: measured(axis, name) for name in METHODS[axis]} for axis in METHODS
        },
    }
    PICTURES.mkdir(exist_ok=True)
    for name, picture in pictures():
        picture.quantize(COLORS_OF_PICTURES, dither=Image.Dither.NONE).save(
            PICTURES / f"{name}.png", optimize=True
        )
    FIGURES.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    PAGE.write_text(format_page(results), "utf-8")


def _libraries() -> set[str]:
    return {method.library for methods in METHODS.values() for method in methods.values()}


@functools.cache
def _jpegs(subsampling: str) -> Mapping[str, EncodedImage]:
    return {
        name: EncodedImage(jpeg_bytes(pixels, subsampling))
        for name, pixels in photographs().items()
    }


def _decoded(image: EncodedImage) -> Pixels:
    return decode(BASELINE.decoder, image)


def _resized(name: str, pixels: Pixels) -> Pixels:
    return resize(name, pixels, _size(size_of(pixels)))


def _size(source: Size) -> Size:
    factor = SHORTER_SIDE / min(source)
    return Size(int(source.width * factor), int(source.height * factor))


def _from_source(name: str, image: EncodedImage) -> Pixels:
    size = _size(image.header.size_in(Orient.STORED))
    whole = decode(BASELINE.decoder, image)
    pixels = decode_from(name, BASELINE.decoder, image, Orient.STORED, size, whole)
    return resize(BASELINE.resize, pixels, size)


Make = Callable[[EncodedImage], Pixels]


def _made(axis: str, name: str) -> tuple[Make, Make]:
    """Return what a method makes of a JPEG, and what the baseline's makes of it."""
    if axis == "decoder":
        return functools.partial(decode, name), _decoded
    if axis == "color":
        return (lambda image: convert(name, _decoded(image))), _decoded
    if axis == "source":
        return functools.partial(_from_source, name), functools.partial(_from_source, ORIGINAL)
    if name == "none":
        return _decoded, _decoded
    return (
        lambda image: _resized(name, _decoded(image)),
        lambda image: _resized(BASELINE.resize, _decoded(image)),
    )


def measured(axis: str, name: str) -> dict[str, list[float]]:
    """Return mean and maximum difference by chroma subsampling; nothing for resize ``none``."""
    if name == "none":
        return {}
    make, make_baseline = _made(axis, name)
    figures = {}
    for subsampling in SUBSAMPLINGS if axis == "decoder" else ("420",):
        total = Difference()
        for image in _jpegs(subsampling).values():
            total += difference(make(image), make_baseline(image))
        figures[subsampling] = [round(total.mean or 0.0, 3), total.maximum]
    return figures


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """Yield name and picture of every method and geometry."""
    data = _jpegs("420")["astronaut"]
    for axis, methods in METHODS.items():
        for name in methods:
            make, make_baseline = _made(axis, name)
            crop = CROP_RESIZED if axis in ("resize", "source") and name != "none" else CROP
            shown, baseline = make(data)[crop], make_baseline(data)[crop]
            amplified = 128 + AMPLIFIED * (shown.astype(np.int32) - baseline)
            pair = np.hstack([shown, np.clip(amplified, 0, 255).astype(np.uint8)])
            yield f"{axis}-{name}", Image.fromarray(pair)
    coffee = photographs()["coffee"]
    for name, geometry in PRESETS.items():
        placement = geometry.place(size_of(coffee), 0, "coffee")
        names = ["none"] if name == "native" else [BASELINE.resize]
        (shown,) = render(coffee, placement, functools.partial(resize_each, names))
        picture = Image.fromarray(shown)
        factor = GEOMETRY_SIDE / max(picture.size)
        size = round(picture.width * factor), round(picture.height * factor)
        yield f"geometry-{name}", picture.resize(size, Image.Resampling.LANCZOS)


def format_page(results: Results) -> str:
    """Return the page as Markdown."""
    parts = [INTRODUCTION, _versions(results["builds"])]
    for axis, methods in METHODS.items():
        parts.append(SECTIONS[axis])
        for name, method in methods.items():
            parts.append(_entry(axis, method, results["figures"][axis][name]))
    parts.append(SECTIONS["geometry"])
    parts += [_geometry_entry(name, geometry) for name, geometry in PRESETS.items()]
    return "\n".join(parts)


def _versions(builds: Mapping[str, Mapping[str, Any]]) -> str:
    hidden = ("version", "cpu_features", "png", "zlib_ng", "libwebp")
    rows = []
    for library, build in builds.items():
        codecs = (f"{name} {value}" for name, value in build.items() if name not in hidden)
        rows.append([library, build["version"], ", ".join(codecs)])
    return "**Versions:**\n" + table(["library", "version", "inside"], rows)


def _entry(axis: str, method: Method[Any], figures: Mapping[str, list[float]]) -> str:
    facts = [f"`{name}`: {value}" for name, value in method.options.items()]
    lines = [f"library {method.library}"]
    if method.extra:
        lines.append(f"extra `{method.extra}`")
    if method.aliases:
        lines.append("also called " + ", ".join(f"`{alias}`" for alias in method.aliases))
    listed = "; ".join([*lines, *facts])
    figures_text = _figures_text(figures)
    if field := stands_for(axis, method.name):
        calls = "; ".join(f"`{each.what}` ({each.versions}): {each.distance}" for each in field)
        figures_text += f"\n\nStands for {calls}."
    return _joined(axis, method.name, description(method), listed, figures_text)


def _figures_text(figures: Mapping[str, list[float]]) -> str:
    """Say the figures, or that nothing differs."""
    if not figures:
        return ""
    shown = [
        f"{':'.join(name)}: " + (f"{mean:.3f} / {maximum:.0f}" if maximum else "equal")
        for name, (mean, maximum) in figures.items()
    ]
    return "Difference " + ", ".join(shown) + "."


def _geometry_entry(name: str, geometry: Geometry) -> str:
    parameters = ", ".join(f"`{key}`: {each}" for key, each in geometry_document(geometry).items())
    return _joined("geometry", name, _paragraphs(type(geometry)), parameters, "")


def _joined(axis: str, name: str, text: str, facts: str, figures: str) -> str:
    picture = f"![{axis} {name}](catalogue/{axis}-{name}.png)"
    parts = [f"### `{name}`", picture, text, figures, f"{facts[0].upper()}{facts[1:]}."]
    return "\n\n".join(part for part in parts if part) + "\n"


def description(method: Method[Any]) -> str:
    """Return what a method does, from its docstring; of a shared function in short."""
    function: Any = method.function
    while isinstance(function, functools.partial):
        function = function.keywords.get("function", function.func)
    text = _paragraphs(function)
    if method.name not in VARIATIONS:
        return text
    summary, *others = text.split("\n\n")
    sources = [paragraph for paragraph in others if paragraph.startswith("Source:")]
    return "\n\n".join([VARIATIONS[method.name], summary, *sources])


def _paragraphs(documented: object) -> str:
    """Return the docstring up to its sections, as Markdown."""
    text = re.split(r"\n\n(?:Args|Returns|Raises|Attributes):", inspect.getdoc(documented) or "")[0]
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))


def picture_names() -> list[str]:
    """Return the names of all pictures, in the order of the page."""
    methods = [f"{axis}-{name}" for axis, registry in METHODS.items() for name in registry]
    return [*methods, *(f"geometry-{name}" for name in PRESETS)]


if __name__ == "__main__":
    main()
