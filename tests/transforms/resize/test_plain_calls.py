"""Every resize of an extra, against straight-line calls of its library."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sysnoise.transforms.geometry import Geometry, ShorterSide, Squash, render
from sysnoise.transforms.pixels import Pixels, size_of
from sysnoise.transforms.resizers import RESIZES, resize, resize_each
from tests.transforms.resize import plain

pytestmark = pytest.mark.extras

PHOTOS = ("chelsea", "coffee")
GEOMETRIES: dict[str, Geometry] = {
    "shorter-side": ShorterSide(size=256, crop=224),
    "squash": Squash(size=224, crop=224),
}
SHAPES = [(1, 1), (1, 9), (12, 1), (2, 2), (5, 3), (17, 31)]
SIZES = [(1, 1), (1, 7), (8, 1), (3, 2), (33, 21)]


def test_these_are_the_resizes_of_extras() -> None:
    of_extras = {name for name, method in RESIZES.items() if method.extra}
    assert of_extras == {"dali-triangular", "dali-linear", *plain.RESIZES}


@pytest.mark.parametrize("name", plain.RESIZES)
@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("size", [(341, 256), (224, 224), (97, 211), (150, 100), (700, 801)])
def test_pixels_are_those_of_the_plain_call(
    name: str, photo: str, size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    resized = resize(name, photos[photo], size)
    assert resized.shape == (size[1], size[0], 3)
    assert resized.flags.c_contiguous
    np.testing.assert_array_equal(resized, plain.RESIZES[name](photos[photo], size), strict=True)


@pytest.mark.parametrize("name", plain.RESIZES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_geometries_crop_the_whole_result(
    name: str, geometry: str, photos: dict[str, Pixels]
) -> None:
    source = np.ascontiguousarray(photos["coffee"][:375, :500])
    placement = GEOMETRIES[geometry].place(size_of(source), seed=0, key="coffee")
    (part,) = render(source, placement, lambda *task: resize_each([name], *task))
    left, upper, right, lower = placement.box
    expected = plain.RESIZES[name](source, placement.resized)[upper:lower, left:right]
    assert part.shape == (224, 224, 3)
    np.testing.assert_array_equal(part, expected, strict=True)


@pytest.mark.parametrize("name", plain.RESIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_small_images_and_sides_of_one_pixel(
    name: str, shape: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    source = np.ascontiguousarray(photos["rocket"][: shape[0], : shape[1]])
    for size in SIZES:
        expected = plain.RESIZES[name](source, size)
        np.testing.assert_array_equal(resize(name, source, size), expected, str(size), strict=True)


@pytest.mark.parametrize("name", plain.RESIZES)
def test_gray_stays_gray_and_one_color_stays_that_color(
    name: str, photos: dict[str, Pixels]
) -> None:
    gray = np.repeat(photos["chelsea"][:, :, :1], 3, axis=2)
    resized = resize(name, gray, (120, 77))
    np.testing.assert_array_equal(resized[:, :, 0], resized[:, :, 1])
    np.testing.assert_array_equal(resized[:, :, 0], resized[:, :, 2])
    one = resize(name, np.full((40, 30, 3), (7, 130, 251), np.uint8), (13, 50))
    assert np.abs(one.astype(int) - (7, 130, 251)).max() <= (name == "ort-linear-uint8")


@pytest.mark.parametrize("name", plain.RESIZES)
def test_views_and_boxes(name: str, photos: dict[str, Pixels]) -> None:
    view = photos["coffee"][::2, 100:301]
    whole = plain.RESIZES[name](np.ascontiguousarray(view), (99, 77))
    np.testing.assert_array_equal(resize(name, view, (99, 77)), whole)
    for box in [(0, 0, 1, 1), (98, 76, 99, 77), (10, 0, 50, 77), (3, 20, 90, 21)]:
        left, upper, right, lower = box
        (part,) = resize_each([name], view, (99, 77), box)
        np.testing.assert_array_equal(part, whole[upper:lower, left:right], strict=True)
        assert part.flags.c_contiguous


def test_methods_do_not_disturb_each_other(photos: dict[str, Pixels]) -> None:
    names = [*plain.RESIZES, *reversed(list(plain.RESIZES))]
    source = photos["chelsea"].copy()
    parts = list(resize_each(names, source, (99, 77), (5, 6, 90, 70)))
    for name, part in zip(names, parts, strict=True):
        expected = plain.RESIZES[name](photos["chelsea"], (99, 77))[6:70, 5:90]
        np.testing.assert_array_equal(part, expected, err_msg=name)
    np.testing.assert_array_equal(source, photos["chelsea"])


def test_threads_get_the_same_pixels(photos: dict[str, Pixels]) -> None:
    jobs = [(name, photos[photo], (150, 110)) for name in plain.RESIZES for photo in PHOTOS]
    expected = [resize(*job) for job in jobs]
    for threads in (1, 4):
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(2):
                for got, wanted in zip(
                    pool.map(lambda job: resize(*job), jobs), expected, strict=True
                ):
                    np.testing.assert_array_equal(got, wanted)


FORK = """
import os, signal, sys
import numpy as np
from sysnoise.transforms.resizers import resize
name, file = sys.argv[1:]
pixels = np.load(file)
before = resize(name, pixels, (99, 77))
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
signal.alarm(60)
try:
    equal = (resize(name, pixels, (99, 77)) == before).all()
except Exception as error:
    print(error, file=sys.stderr)
    equal = False
sys.stderr.flush()
os._exit(0 if equal else 1)
"""


def forked(name: str, pixels: Pixels, folder: Path) -> tuple[int, str]:
    """Resize, and again in a forked process: exit code and what it said."""
    np.save(folder / "pixels.npy", pixels)
    command = [sys.executable, "-c", FORK, name, str(folder / "pixels.npy")]
    done = subprocess.run(command, check=False, timeout=120, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", ["ort-linear", "ort-cubic-05", "skia-mipmap", "skimage-gaussian"])
def test_forked_processes_get_the_same_pixels(
    name: str, photos: dict[str, Pixels], tmp_path: Path
) -> None:
    assert forked(name, photos["chelsea"], tmp_path) == (0, "")


def test_libvips_is_refused_in_a_process_that_lacks_its_threads(
    photos: dict[str, Pixels], tmp_path: Path
) -> None:
    code, said = forked("vips-lanczos3", photos["chelsea"], tmp_path)
    assert code == 1
    assert "vips-lanczos3: 451 x 300 to 99 x 77: this process was forked from one" in said
