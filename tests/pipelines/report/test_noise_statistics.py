"""Statistics have their units, and more noise has a higher level."""

from __future__ import annotations

from sysnoise.pipelines.report.noise_statistics import noise_levels, statistic_text


def test_levels_grow_with_the_noise() -> None:
    assert noise_levels({"a": 1.0, "b": 3.0, "c": 2.0}, "mean") == {"a": 0.0, "b": 1.0, "c": 0.5}
    assert noise_levels({"a": None, "b": 30.0, "c": 40.0}, "psnr") == {"a": 0.0, "b": 1.0, "c": 0.0}
    assert noise_levels({"a": 5.0}, "maximum") == {"a": 0.0}
    # As in coco-published: the baseline has no PSNR, and the one variant beside it has noise.
    assert noise_levels({"a": None, "b": 32.0}, "psnr") == {"a": 0.0, "b": 1.0}


def test_statistics_have_their_units() -> None:
    difference = {"mean": 0.12345, "maximum": 9, "psnr": None, "changed_share": 0.5}
    texts = [statistic_text(difference, name) for name in difference]
    assert texts == ["0.1235", "9", "-", "50.00"]
