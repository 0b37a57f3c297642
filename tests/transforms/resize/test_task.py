"""What a task shares between the resizes that work on it."""

from __future__ import annotations

import numpy as np

from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize.task import ResizeTask


def test_conversions_are_shared_and_the_latest_is_kept(photos: dict[str, Pixels]) -> None:
    calls: list[str] = []

    def halved(pixels: Pixels) -> Pixels:
        calls.append("halved")
        return pixels // 2

    def total(pixels: Pixels) -> int:
        calls.append("total")
        return int(pixels.sum())

    task = ResizeTask(photos["coffee"], (9, 9), (0, 0, 9, 9))
    first = task.converted(halved)
    np.testing.assert_array_equal(first, photos["coffee"] // 2)
    assert task.converted(halved) is first
    assert task.converted(total) == photos["coffee"].sum()
    task.converted(halved)
    assert calls == ["halved", "total", "halved"]


def test_the_box_is_cut_out_as_an_array_of_its_own(photos: dict[str, Pixels]) -> None:
    task = ResizeTask(photos["coffee"], (600, 400), (10, 20, 110, 50))
    part = task.cropped(photos["coffee"])
    np.testing.assert_array_equal(part, photos["coffee"][20:50, 10:110])
    assert part.flags.c_contiguous
    assert not np.shares_memory(part, photos["coffee"])
