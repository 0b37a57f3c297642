"""Which flips are shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.report.flips import (
    MAX_FLIPS,
    MAX_IMAGES,
    chosen_flips,
    chosen_images,
    ordered_settings,
)

BASELINE = Setting("b/b/b")


def matrix(*settings: str) -> NDArray[np.bool_]:
    """Read which images flip: one text per setting, in which ``x`` is a flip."""
    return np.array([[each == "x" for each in setting] for setting in settings])


def test_images_cover_the_settings_first() -> None:
    flips = matrix(
        ".xx...",
        ".xx...",
        ".xxx..",
        "....x.",
        "...xx.",
    )
    # Image 1 flips in the first three, 4 in the other two; then all settings count again.
    assert chosen_images(flips) == [1, 4, 2, 3]


def test_of_equal_images_the_first_is_chosen() -> None:
    assert chosen_images(matrix("..xx", "..xx")) == [2, 3]


def test_no_more_images_than_there_is_room_for() -> None:
    flips = np.ones((3, 100), bool)
    assert chosen_images(flips) == list(range(MAX_IMAGES))
    assert chosen_images(np.zeros((3, 5), bool)) == []


def test_flips_take_turns_by_setting_and_image() -> None:
    flips = matrix(
        "xx.x",
        "xx..",
        "...x",
    )
    chosen = chosen_flips(flips, [1, 3])
    # The first turn adds 1, which comes first, 1 again, since there is no other, and 3; the
    # second turn adds 3.
    assert chosen == [(0, 1), (1, 1), (2, 3), (0, 3)]


def test_every_setting_has_a_flip_before_one_has_two() -> None:
    generator = np.random.default_rng(0)
    flips = generator.random((131, 2000)) < 0.05
    images = chosen_images(flips)
    covered = flips[:, images].any(axis=1)
    chosen = chosen_flips(flips, images)
    assert len(images) == MAX_IMAGES
    assert len(chosen) == MAX_FLIPS
    assert len({*chosen}) == MAX_FLIPS
    assert all(flips[setting, image] for setting, image in chosen)
    assert {setting for setting, _ in chosen} == {*np.flatnonzero(covered).tolist()}
    shown = np.bincount([images.index(image) for _, image in chosen])
    assert shown.min() > 0


def test_settings_of_one_noise_come_first_whatever_the_order_of_the_file() -> None:
    settings = ["c/c/b", "b/b/b+int8", "c/b/b", "b/b/b"]
    found = []
    for order in (settings, settings[::-1]):
        parsed = [Setting(name, tuple(rest)) for name, *rest in (each.split("+") for each in order)]
        found.append([each.id for _, each in ordered_settings({"m": parsed}, BASELINE)])
    assert found == [["b/b/b+int8", "c/b/b", "c/c/b"]] * 2
