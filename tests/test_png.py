"""The benchmark of encoders: its filters are PNG's, and its figures are those of the files."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from benchmarks import png
from sysnoise.transforms.pixels import Pixels

FILTERS = {**png.FILTERS, "by entropy": png.filter_by_entropy, "by row": png.filter_by_row}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 5, 3), (64, 3, 3), (90, 40, 3)])
def test_filters_are_undone_by_pillow(name: str, shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    data = png.png(FILTERS[name], png.isal_as_here)(pixels)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels, strict=True)


@pytest.mark.parametrize("choose", [png.filter_by_entropy, png.filter_by_row])
def test_stripes_get_the_filter_that_empties_them(choose: Callable[[Pixels], Pixels]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 60, np.uint8)
    columns = np.tile(noise, (40, 1))  # Each row is as the one above.
    rows = np.repeat(noise[:40, np.newaxis], 60, 1)  # Each pixel is as the one to its left.
    assert set(choose(columns)[1:, 0]) == {2}
    assert set(choose(rows)[:, 0]) <= {1, 4}  # Paeth also empties all but the first pixels.


def test_every_encoder_is_measured(
    photos: dict[str, Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "ROUNDS", 1)
    pixels = np.ascontiguousarray(photos["chelsea"][:32, :48])
    encoders, decoders = png.measure([pixels])
    assert {("png",), ("ISA-L level 0",), ("JPEG XL effort 1",)} <= set(encoders)
    assert {("png", "Pillow"), ("png", "OpenCV"), ("NumPy", "NumPy")} <= set(decoders)
    sizes = {name: float(cells[2]) for (name,), cells in encoders.items()}
    stored = len(png.CANDIDATES["png"].make()(pixels))
    assert sizes["NumPy"] == pytest.approx((128 + pixels.nbytes) / stored, abs=0.001)


def test_a_wrong_reader_is_found(
    photos: dict[str, Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = png.Candidate(png.CANDIDATES["png"].make, {"other": lambda _: np.zeros(3)})
    monkeypatch.setattr(png, "CANDIDATES", {"png": candidate})
    with pytest.raises(RuntimeError, match="other reads other pixels than png wrote"):
        png.measure([photos["chelsea"]])
