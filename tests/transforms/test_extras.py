"""Methods whose libraries are extras, against straight-line calls of those libraries."""

from __future__ import annotations

import importlib.metadata
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sysnoise import load_grid
from sysnoise.pipelines.cli.photographs import SUBSAMPLINGS, jpeg_bytes
from sysnoise.transforms.codecs import dali, libjpeg
from sysnoise.transforms.codecs.decoders import DECODERS, UnsupportedKindError, decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.libraries import library_build
from sysnoise.transforms.methods import identity, is_available
from sysnoise.transforms.online import apply
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resizers import RESIZES, resize
from tests.installed import installed

pytestmark = pytest.mark.extras

BUILDS = {
    "jpeglib-6b": "6b",
    "jpeglib-7": "7",
    "jpeglib-8d": "8d",
    "jpeglib-9e": "9e",
    "jpeglib-mozjpeg4": "mozjpeg403",
    "jpeglib-turbo2": "turbo210",
}
EQUAL_TO_PILLOW = ("jpeglib-6b", "jpeglib-mozjpeg4", "jpeglib-turbo2", "dali")
LIBJPEG_7_ON = ("jpeglib-7", "jpeglib-8d", "jpeglib-9e")
DECODED_BY_EXTRAS = (*BUILDS, "dali")
PHOTOS = ("chelsea", "coffee", "rocket")
TINY = [(1, 1), (1, 7), (5, 3), (17, 8)]

Plain = NDArray[Any]


def plain_jpeglib(build: str, path: Path) -> Plain:
    import jpeglib

    with jpeglib.version(build):
        image = jpeglib.read_spatial(str(path), out_color_space=jpeglib.JCS_RGB)
        return np.array(image.spatial)


def plain_dali(graph: Callable[[Any, Any], Any], *inputs: Plain) -> Plain:
    """Run one image through a pipeline of its own, which ``graph`` builds of fn and types."""
    from nvidia.dali import Pipeline, fn, types

    pipeline = Pipeline(1, 1, None, prefetch_queue_depth=1, exec_dynamic=False)
    with pipeline:
        sources = [fn.external_source(source=[[array]], cycle=True) for array in inputs]
        pipeline.set_outputs(graph(fn, types)(*sources))
    pipeline.build()
    (output,) = pipeline.run()
    return np.array(output.at(0))


def plain_dali_decode(data: bytes) -> Plain:
    def graph(fn: Any, types: Any) -> Any:
        return lambda encoded: fn.decoders.image(
            encoded, device="cpu", output_type=types.RGB, adjust_orientation=False
        )

    return plain_dali(graph, np.frombuffer(data, np.uint8))


def plain_dali_resize(pixels: Pixels, size: tuple[int, int], antialias: bool) -> Plain:
    def graph(fn: Any, types: Any) -> Any:
        return lambda image: fn.resize(
            fn.reshape(image, layout="HWC"),
            resize_x=size[0],
            resize_y=size[1],
            interp_type=types.INTERP_LINEAR,
            antialias=antialias,
        )

    return plain_dali(graph, pixels)


def saved(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def arithmetic_jpeg(pixels: Pixels, folder: Path) -> bytes:
    import jpeglib

    file = folder / "arithmetic.jpg"
    with jpeglib.version("turbo210"):
        jpeglib.from_spatial(pixels).write_spatial(str(file), qt=90, flags=["+ARITH_CODE"])
    return file.read_bytes()


def plain_decode(name: str, data: bytes, folder: Path) -> Plain:
    if name == "dali":
        return plain_dali_decode(data)
    file = folder / "image.jpg"
    file.write_bytes(data)
    return plain_jpeglib(BUILDS[name], file)


def test_these_are_the_extras() -> None:
    own = {name for name, each in DECODERS.items() if each.library in ("jpeglib", "dali")}
    assert own == set(DECODED_BY_EXTRAS)
    assert DECODERS.keys() - installed(DECODERS) <= own
    assert all(is_available(method) for method in (*DECODERS.values(), *RESIZES.values()))


@pytest.mark.parametrize("name", DECODED_BY_EXTRAS)
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("photo", PHOTOS)
def test_pixels_are_those_of_the_plain_call(
    name: str, photo: str, subsampling: str, photos: dict[str, Pixels], tmp_path: Path
) -> None:
    data = jpeg_bytes(photos[photo], subsampling)
    pixels = decode(name, EncodedImage(data))
    assert pixels.shape == photos[photo].shape
    np.testing.assert_array_equal(pixels, plain_decode(name, data, tmp_path), strict=True)
    np.testing.assert_array_equal(pixels, decode(name, EncodedImage(data)))


@pytest.mark.parametrize("name", DECODED_BY_EXTRAS)
@pytest.mark.parametrize("shape", TINY)
def test_tiny_images(
    name: str, shape: tuple[int, int], photos: dict[str, Pixels], tmp_path: Path
) -> None:
    data = jpeg_bytes(photos["china"][: shape[0], : shape[1]], "420")
    expected = plain_decode(name, data, tmp_path)
    np.testing.assert_array_equal(decode(name, EncodedImage(data)), expected, strict=True)


@pytest.mark.parametrize("name", EQUAL_TO_PILLOW)
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_equal_to_pillow(name: str, subsampling: str, photos: dict[str, Pixels]) -> None:
    for pixels in photos.values():
        data = jpeg_bytes(pixels, subsampling)
        np.testing.assert_array_equal(
            decode(name, EncodedImage(data)), decode("pillow", EncodedImage(data))
        )


@pytest.mark.parametrize("name", LIBJPEG_7_ON)
@pytest.mark.parametrize("subsampling", ["422", "420"])
def test_libjpeg_7_and_later_differ_on_subsampled_chroma(
    name: str, subsampling: str, photos: dict[str, Pixels]
) -> None:
    for pixels in photos.values():
        data = jpeg_bytes(pixels, subsampling)
        difference = np.abs(
            decode(name, EncodedImage(data)).astype(int) - decode("pillow", EncodedImage(data))
        )
        assert difference.mean() > 0.1
        assert difference.max() > 5


def test_libjpeg_7_and_later_hardly_differ_on_full_chroma(photos: dict[str, Pixels]) -> None:
    for pixels in photos.values():
        data = jpeg_bytes(pixels, "444")
        pillow = decode("pillow", EncodedImage(data))
        np.testing.assert_array_equal(decode("jpeglib-7", EncodedImage(data)), pillow)
        np.testing.assert_array_equal(decode("jpeglib-8d", EncodedImage(data)), pillow)
        difference = np.abs(decode("jpeglib-9e", EncodedImage(data)).astype(int) - pillow)
        assert difference.mean() < 0.001
        assert difference.max() <= 1


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_libjpeg_7_equals_8d_and_9e_is_its_own(subsampling: str, photos: dict[str, Pixels]) -> None:
    jpegs = [jpeg_bytes(pixels, subsampling) for pixels in photos.values()]
    for data in jpegs:
        np.testing.assert_array_equal(
            decode("jpeglib-7", EncodedImage(data)), decode("jpeglib-8d", EncodedImage(data))
        )
    assert any(
        not np.array_equal(
            decode("jpeglib-8d", EncodedImage(data)), decode("jpeglib-9e", EncodedImage(data))
        )
        for data in jpegs
    )


def test_libjpeg_6b_replicates_chroma_of_440(photos: dict[str, Pixels]) -> None:
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440]
    done, encoded = cv2.imencode(".jpg", photos["coffee"], options)
    assert done
    data = encoded.tobytes()
    pillow = decode("pillow", EncodedImage(data))
    np.testing.assert_array_equal(decode("jpeglib-turbo2", EncodedImage(data)), pillow)
    replicated = decode("simplejpeg-fastupsample", EncodedImage(data))
    assert not np.array_equal(replicated, pillow)
    np.testing.assert_array_equal(decode("jpeglib-6b", EncodedImage(data)), replicated)


@pytest.mark.parametrize("name", DECODED_BY_EXTRAS)
@pytest.mark.parametrize("kind", ["gray", "progressive", "rgb"])
def test_other_kinds_of_jpeg(name: str, kind: str, photos: dict[str, Pixels]) -> None:
    image = Image.fromarray(photos["chelsea"])
    data = {
        "gray": saved(image.convert("L"), quality=90),
        "progressive": saved(image, quality=90, progressive=True, subsampling="4:4:4"),
        "rgb": saved(image, quality=90, keep_rgb=True),
    }[kind]
    pixels = decode(name, EncodedImage(data)).astype(int)
    difference = np.abs(pixels - decode("pillow", EncodedImage(data)))
    assert pixels.shape == photos["chelsea"].shape
    assert difference.max() <= (name == "jpeglib-9e")


@pytest.mark.parametrize("name", DECODED_BY_EXTRAS)
def test_orientation_is_ignored(name: str, photos: dict[str, Pixels]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(photos["chelsea"])
    turned, stored = saved(image, quality=90, exif=exif), saved(image, quality=90)
    np.testing.assert_array_equal(
        decode(name, EncodedImage(turned)), decode(name, EncodedImage(stored))
    )


@pytest.mark.parametrize("name", DECODED_BY_EXTRAS)
def test_arithmetic_coding(name: str, photos: dict[str, Pixels], tmp_path: Path) -> None:
    pixels = np.ascontiguousarray(photos["coffee"][:64, :96])
    data = arithmetic_jpeg(pixels, tmp_path)
    if name == "jpeglib-6b":
        with pytest.raises(UnsupportedKindError):
            decode(name, EncodedImage(data))
        with pytest.raises(ValueError, match="jpeglib's build 6b cannot read the file"):
            libjpeg.decode_jpeglib(data, build="6b")
        return
    equal = np.array_equal(decode(name, EncodedImage(data)), decode("pillow", EncodedImage(data)))
    assert equal is (name in EQUAL_TO_PILLOW)


@pytest.mark.parametrize("build", BUILDS.values())
@pytest.mark.parametrize("kind", ["cmyk", "12-bit", "lossless"])
def test_kinds_that_no_libjpeg_here_reads(build: str, kind: str, jpeg: bytes) -> None:
    frame = jpeg.index(b"\xff\xc0")
    data = {
        "cmyk": saved(Image.new("CMYK", (8, 8))),
        "12-bit": jpeg[: frame + 4] + b"\x0c" + jpeg[frame + 5 :],
        "lossless": jpeg[:frame] + b"\xff\xc3" + jpeg[frame + 2 :],
    }[kind]
    name = next(name for name, each in BUILDS.items() if each == build)
    with pytest.raises(UnsupportedKindError):
        decode(name, EncodedImage(data))
    with pytest.raises(ValueError, match="cannot read the file"):
        libjpeg.decode_jpeglib(data, build=build)


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "BMP"])
def test_jpeglib_reads_jpegs_only(name: str, kind: str) -> None:
    with pytest.raises(UnsupportedKindError):
        decode(name, EncodedImage(saved(Image.new("RGB", (8, 8)), kind)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF"])
def test_dali_reads_other_formats(kind: str, photos: dict[str, Pixels]) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.fromarray(photos["chelsea"]), kind, **options)
    np.testing.assert_array_equal(
        decode("dali", EncodedImage(data)), photos["chelsea"], strict=True
    )


def test_dali_converts_cmyk_as_pillow_does(photos: dict[str, Pixels]) -> None:
    data = saved(Image.fromarray(photos["chelsea"]).convert("CMYK"), quality=90)
    np.testing.assert_array_equal(
        decode("dali", EncodedImage(data)), decode("pillow", EncodedImage(data)), strict=True
    )


def test_dali_does_not_read_gif() -> None:
    data = saved(Image.new("RGB", (8, 8)), "GIF")
    with pytest.raises(UnsupportedKindError):
        decode("dali", EncodedImage(data))
    with pytest.raises(ValueError, match="DALI's pipeline failed"):
        dali.decode_dali(data)


@pytest.mark.parametrize("name", DECODED_BY_EXTRAS)
@pytest.mark.parametrize("missing", [0.99, 0.5, 0.02])
def test_truncated_jpeg_fails_and_leaves_no_trace(name: str, missing: float, jpeg: bytes) -> None:
    """The decoder works on, and what its errors say is the same on every machine."""
    with pytest.raises(DecodeError, match=rf"^{name}: \S.*$") as caught:
        decode(name, EncodedImage(jpeg[: -int(missing * len(jpeg))]))
    assert "/" not in str(caught.value)
    assert not isinstance(caught.value, UnsupportedKindError)
    decode(name, EncodedImage(jpeg))


@pytest.mark.parametrize("name", DECODED_BY_EXTRAS)
@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"garbage" * 100], ids=repr)
def test_what_is_no_image_fails(name: str, data: bytes) -> None:
    with pytest.raises(DecodeError, match=rf"^{name}: \S.*$"):
        decode(name, EncodedImage(data))


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Check that no file, file descriptor or choice of a build is left behind."""
    import jpeglib

    def left() -> tuple[Any, ...]:
        open_files = list(Path("/dev/fd").iterdir())
        return list(tmp_path.iterdir()), len(open_files), jpeglib.version.get()

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(libjpeg, "_memory_folder", lambda: str(tmp_path))
    before = left()
    yield
    assert left() == before


@pytest.mark.usefixtures("traces")
@pytest.mark.parametrize("name", BUILDS)
def test_jpeglib_leaves_nothing_behind(name: str, jpeg: bytes) -> None:
    decode(name, EncodedImage(jpeg))
    for damaged in (jpeg[:-12], jpeg.replace(b"\xff\xda", b"\xff\xc0"), jpeg[:200] + b"\xff\xd9"):
        with pytest.raises(DecodeError):
            decode(name, EncodedImage(damaged))


@pytest.mark.parametrize("name", BUILDS)
def test_jpeglib_with_more_markers_than_it_has_room_for(name: str, jpeg: bytes) -> None:
    comments = b"\xff\xfe\x00\x04ab" * 200
    np.testing.assert_array_equal(
        decode(name, EncodedImage(jpeg[:2] + comments + jpeg[2:])), decode(name, EncodedImage(jpeg))
    )


def test_threads_do_not_mix_up_builds_or_images(photos: dict[str, Pixels]) -> None:
    jobs = [
        (name, EncodedImage(jpeg_bytes(photos[photo], "420")))
        for name in (*BUILDS, "dali")
        for photo in PHOTOS
    ]
    expected = [decode(*job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for got, wanted in zip(pool.map(lambda job: decode(*job), jobs), expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(("name", "antialias"), [("triangular", True), ("linear", False)])
@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("size", [(384, 256), (97, 211), (700, 801), (1, 1)])
def test_dali_resizes_are_those_of_the_plain_call(
    name: str, antialias: bool, photo: str, size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    resized = resize(f"dali-{name}", photos[photo], size)
    assert resized.shape == (size[1], size[0], 3)
    expected = plain_dali_resize(photos[photo], size, antialias)
    np.testing.assert_array_equal(resized, expected, strict=True)
    np.testing.assert_array_equal(resized, resize(f"dali-{name}", photos[photo], size))


@pytest.mark.parametrize("name", ["dali-triangular", "dali-linear"])
def test_dali_resize_of_one_pixel_and_of_a_view(name: str, photos: dict[str, Pixels]) -> None:
    one = resize(name, np.array([[[7, 130, 251]]], np.uint8), (5, 3))
    np.testing.assert_array_equal(one, np.full((3, 5, 3), (7, 130, 251), np.uint8))
    view = photos["coffee"][::2, 100:301]
    np.testing.assert_array_equal(resize(name, view, (99, 77)), resize(name, view.copy(), (99, 77)))


@pytest.mark.parametrize(
    ("name", "nearest", "maximum"),
    [("dali-triangular", "pillow-bilinear", 16), ("dali-linear", "opencv-linear-exact", 1)],
)
def test_dali_resizes_are_close_to_a_relative_and_equal_to_none(
    name: str, nearest: str, maximum: int, photos: dict[str, Pixels]
) -> None:
    others = [other for other, each in RESIZES.items() if not each.extra and other != "none"]
    for photo in PHOTOS:
        resized = resize(name, photos[photo], (384, 256)).astype(int)
        distance = {
            other: np.abs(resized - resize(other, photos[photo], (384, 256))) for other in others
        }
        means = {other: difference.mean() for other, difference in distance.items()}
        assert min(means.values()) > 0
        assert distance[nearest].max() <= maximum
        assert means[nearest] < 0.2


def test_dali_pipelines_are_built_once(jpeg: bytes, photos: dict[str, Pixels]) -> None:
    def use_all() -> None:
        decode("dali", EncodedImage(jpeg))
        resize("dali-linear", photos["coffee"], (9, 9))
        resize("dali-triangular", photos["coffee"], (9, 9))

    use_all()
    built = dali._pipeline.cache_info().misses
    use_all()
    assert dali._pipeline.cache_info().misses == built


FORK = """
import os, signal, sys
from sysnoise.transforms.codecs.decoders import decode
from sysnoise.transforms.codecs.encoded import EncodedImage
image = EncodedImage(open(sys.argv[1], "rb").read())
before = decode("dali", image)
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
signal.alarm(60)
os._exit(0 if (decode("dali", image) == before).all() else 1)
"""


def test_dali_works_in_a_forked_process(jpeg: bytes, tmp_path: Path) -> None:
    (tmp_path / "image.jpg").write_bytes(jpeg)
    command = [sys.executable, "-c", FORK, str(tmp_path / "image.jpg")]
    assert subprocess.run(command, check=False, timeout=120).returncode == 0


@pytest.mark.parametrize(
    ("library", "package"), [("jpeglib", "jpeglib"), ("dali", "nvidia-dali-cuda120")]
)
def test_build_facts(library: str, package: str) -> None:
    facts = library_build(library)
    assert next(iter(facts)) == "version"
    assert facts["version"] == importlib.metadata.version(package)
    assert json.loads(json.dumps(facts)) == facts


def test_identities_name_the_exact_build() -> None:
    for name, build in BUILDS.items():
        assert identity(DECODERS[name])["options"]["build"] == build


def test_every_variant_of_imagenet_wide(jpeg: bytes) -> None:
    grid = load_grid("imagenet-wide")
    for variant in grid.variants:
        pixels = apply(grid, variant.id, jpeg, "key")
        assert pixels.shape == (224, 224, 3)
        assert pixels.dtype == np.uint8
