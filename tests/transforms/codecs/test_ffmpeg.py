"""FFmpeg's methods, against the ``scale`` filter of libavfilter, which the ffmpeg program uses."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from PIL import Image

from sysnoise.pipelines.cli.photographs import SUBSAMPLINGS, jpeg_bytes
from sysnoise.transforms.codecs.decoders import DECODERS, UnsupportedKindError, decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.ffmpeg import SWS_ACCURATE_RND, SWS_FULL_CHR_H_INT, resize_ffmpeg
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resizers import RESIZES, resize

SWS_FULL_CHR_H_INP = 0x4000
CHAINS = {
    "ffmpeg": "scale=flags=bicubic,format=rgb24",
    "ffmpeg-accurate": "scale=flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24",
    "ffmpeg-nv12": (
        "scale=flags=bicubic:out_range=full,format=nv12,"
        "scale=flags=bicubic:in_range=full,format=rgb24"
    ),
}
PICTURES: dict[str, tuple[str, tuple[int, int]]] = {
    "even": ("coffee", (600, 400)),
    "odd-width": ("chelsea", (451, 300)),
    "odd-height": ("china", (640, 427)),
    "odd": ("flower", (639, 425)),
}
"""Photographs by the parity of their sides, with the width and height that is taken of them."""

FILTERS = ("bilinear", "bicubic", "area", "lanczos")


def filtered(frame: av.VideoFrame, chain: str) -> NDArray[Any]:
    graph = av.filter.Graph()
    nodes = [
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=Fraction(1, 25),
        ),
        *(graph.add(*part.split("=", 1)) for part in chain.split(",")),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes)
    graph.configure()
    graph.push(frame)
    result = graph.pull()
    assert isinstance(result, av.VideoFrame)
    return result.to_ndarray()


def demuxed(data: bytes) -> av.VideoFrame:
    with av.open(io.BytesIO(data), "r", format="jpeg_pipe") as container:
        frame = next(container.decode(video=0))
    assert isinstance(frame, av.VideoFrame)
    return frame


Jpeg = Callable[[str, str], bytes]


@pytest.fixture(scope="module")
def jpeg_of(photos: dict[str, Pixels]) -> Jpeg:
    """Encode a picture of :data:`PICTURES` in a chroma subsampling."""

    def encode(picture: str, subsampling: str) -> bytes:
        photo, (width, height) = PICTURES[picture]
        return jpeg_bytes(np.ascontiguousarray(photos[photo][:height, :width]), subsampling)

    return encode


def mean_difference(first: Pixels, second: Pixels) -> float:
    return float(np.abs(first.astype(int) - second).mean())


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("picture", PICTURES)
def test_decoders_are_chains_of_filters(
    name: str, picture: str, subsampling: str, jpeg_of: Jpeg
) -> None:
    data = jpeg_of(picture, subsampling)
    pixels = decode(name, EncodedImage(data))
    assert pixels.shape[:2] == PICTURES[picture][1][::-1]
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, filtered(demuxed(data), CHAINS[name]), strict=True)
    np.testing.assert_array_equal(pixels, decode(name, EncodedImage(data)))


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (2, 9)])
def test_decoders_on_tiny_images(
    name: str, shape: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    data = jpeg_bytes(photos["china"][: shape[0], : shape[1]], "420")
    pixels = decode(name, EncodedImage(data))
    np.testing.assert_array_equal(pixels, filtered(demuxed(data), CHAINS[name]), strict=True)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("data", [b"", b"garbage" * 100], ids=repr)
def test_what_is_no_jpeg_fails(name: str, data: bytes) -> None:
    with pytest.raises(UnsupportedKindError, match=rf"^{name}: not made for unknown"):
        decode(name, EncodedImage(data))


@pytest.mark.parametrize("name", CHAINS)
def test_truncated_jpeg_fails(name: str, jpeg: bytes) -> None:
    with pytest.raises(DecodeError, match=rf"^{name}: ") as caught:
        decode(name, EncodedImage(jpeg[:-12]))
    assert not isinstance(caught.value, UnsupportedKindError)


@pytest.mark.parametrize("subsampling", ["422", "420"])
@pytest.mark.parametrize("picture", ["even", "odd-width", "odd-height"])
def test_accurate_is_another_result_and_closer_to_pillow(
    picture: str, subsampling: str, jpeg_of: Jpeg
) -> None:
    data = jpeg_of(picture, subsampling)
    pillow, plain, accurate = (
        decode(n, EncodedImage(data)) for n in ("pillow", "ffmpeg", "ffmpeg-accurate")
    )
    assert 0 < mean_difference(accurate, pillow) < mean_difference(plain, pillow)


@pytest.mark.parametrize(("picture", "subsampling"), [("even", "444"), ("odd", "422")])
def test_accurate_equals_plain_where_the_flags_decide_nothing(
    picture: str, subsampling: str, jpeg_of: Jpeg
) -> None:
    """Without subsampled chroma, and where both sides are odd."""
    data = jpeg_of(picture, subsampling)
    np.testing.assert_array_equal(
        decode("ffmpeg-accurate", EncodedImage(data)), decode("ffmpeg", EncodedImage(data))
    )


@pytest.mark.parametrize("picture", PICTURES)
def test_nv12_takes_nothing_from_420(picture: str, jpeg_of: Jpeg) -> None:
    """The planes are the file's own, so the result is that of the scaler on them."""
    data = jpeg_of(picture, "420")
    pixels = decode("ffmpeg-nv12", EncodedImage(data))
    frame = demuxed(data)
    scaled = frame.reformat(format="rgb24", interpolation=Interpolation.BICUBIC | SWS_ACCURATE_RND)
    np.testing.assert_array_equal(pixels, scaled.to_ndarray())
    # Where the height is even, ``ffmpeg`` leaves the scaler for a cheaper converter.
    odd_height = PICTURES[picture][1][1] % 2 == 1
    assert np.array_equal(pixels, decode("ffmpeg", EncodedImage(data))) is odd_height


@pytest.mark.parametrize("subsampling", ["444", "422"])
def test_nv12_halves_finer_chroma(subsampling: str, jpeg_of: Jpeg) -> None:
    data = jpeg_of("even", subsampling)
    pillow, accurate, nv12 = (
        decode(n, EncodedImage(data)) for n in ("pillow", "ffmpeg-accurate", "ffmpeg-nv12")
    )
    assert mean_difference(nv12, pillow) > mean_difference(accurate, pillow) + 0.2


def test_nv12_keeps_the_full_range() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8)[:, np.newaxis], (16, 1, 3))
    pixels = decode("ffmpeg-nv12", EncodedImage(jpeg_bytes(ramp, "420", quality=100)))
    np.testing.assert_array_equal(pixels, ramp)


def test_nv12_of_gray_equals_ffmpeg(photos: dict[str, Pixels]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photos["chelsea"]).convert("L").save(buffer, "JPEG", quality=90)
    data = buffer.getvalue()
    np.testing.assert_array_equal(
        decode("ffmpeg-nv12", EncodedImage(data)), decode("ffmpeg", EncodedImage(data))
    )


def test_nv12_goes_with_rgb_alone() -> None:
    assert {name for name, each in DECODERS.items() if each.color} == {"ffmpeg-nv12"}
    assert DECODERS["ffmpeg-nv12"].color == "rgb"


@pytest.mark.parametrize("filter_", FILTERS)
@pytest.mark.parametrize("photo", ["chelsea", "coffee"])
@pytest.mark.parametrize("size", [(384, 256), (97, 211), (700, 801), (1, 1)])
def test_resizes_are_the_scale_filter(
    filter_: str, photo: str, size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    resized = resize(f"ffmpeg-{filter_}", photos[photo], size)
    frame = av.VideoFrame.from_ndarray(photos[photo], format="rgb24")
    chain = f"scale={size[0]}:{size[1]}:flags={filter_},format=rgb24"
    np.testing.assert_array_equal(resized, filtered(frame, chain), strict=True)
    assert resized.flags.c_contiguous
    np.testing.assert_array_equal(resized, resize(f"ffmpeg-{filter_}", photos[photo], size))


@pytest.mark.parametrize("filter_", FILTERS)
def test_one_pixel_fills_any_size(filter_: str) -> None:
    resized = resize(f"ffmpeg-{filter_}", np.array([[[7, 130, 251]]], np.uint8), (5, 3))
    np.testing.assert_array_equal(resized, np.full((3, 5, 3), (7, 130, 251), np.uint8))


@pytest.mark.parametrize("filter_", FILTERS)
def test_resize_of_a_view(filter_: str, photos: dict[str, Pixels]) -> None:
    view = photos["coffee"][::2, 100:301]
    np.testing.assert_array_equal(
        resize(f"ffmpeg-{filter_}", view, (99, 77)),
        resize(f"ffmpeg-{filter_}", view.copy(), (99, 77)),
    )


@pytest.mark.parametrize(
    ("photo", "width", "halves"),
    [("coffee", 300, True), ("coffee", 97, True), ("coffee", 301, False), ("chelsea", 97, False)],
)
def test_chroma_is_halved_where_an_even_width_is(
    photo: str, width: int, halves: bool, photos: dict[str, Pixels]
) -> None:
    """At half the width and below, libswscale reads every second column's chroma alone."""
    full = Interpolation.BICUBIC | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP
    expected = resize_ffmpeg(photos[photo], (width, 200), flags=full)
    resized = resize("ffmpeg-bicubic", photos[photo], (width, 200))
    assert np.array_equal(resized, expected) is not halves


def test_resizes_are_noise_of_their_own(photos: dict[str, Pixels]) -> None:
    """None gives the pixels of another resize of the core, whatever their names."""
    results = {
        name: resize(name, photos["coffee"], (384, 256))
        for name, method in RESIZES.items()
        if not method.extra and name != "none"
    }
    for filter_ in FILTERS:
        own = results.pop(f"ffmpeg-{filter_}")
        assert not any(np.array_equal(own, other) for other in results.values())
