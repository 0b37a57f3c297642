"""Figures of evaluations against sums and loops that are written out."""

from __future__ import annotations

import statistics
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from sysnoise.pipelines.scoring.statistics import (
    RESAMPLES,
    covers_zero,
    interval,
    mcnemar_p,
    resampled_means,
    resamples,
    sample_deviation,
    top_classes,
)


def test_top_classes_are_those_of_a_stable_sort() -> None:
    logits = np.random.default_rng(0).integers(-3, 4, (50, 12)).astype(np.float32)
    expected = [sorted(range(12), key=lambda each: (-row[each], each))[:5] for row in logits]
    assert top_classes(logits, 5).tolist() == expected
    assert top_classes(logits[:, :3], 5).shape == (50, 3)
    assert logits.min() == -3  # They are not changed.


def test_sample_deviation_divides_by_one_less() -> None:
    values = [76.43, 76.426, 75.31]
    assert sample_deviation(values) == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert sample_deviation([1.0]) is None
    assert sample_deviation([]) is None


def coin_p(lost: int, gained: int) -> Fraction:
    """The share of all outcomes of so many coins that are at least as uneven."""
    tosses = lost + gained
    outcomes = [sum(each) for each in product((0, 1), repeat=tosses)]
    uneven = [each for each in outcomes if abs(2 * each - tosses) >= abs(lost - gained)]
    return Fraction(len(uneven), len(outcomes))


def test_mcnemar_counts_coins() -> None:
    for lost, gained in product(range(7), repeat=2):
        assert mcnemar_p(lost, gained) == float(coin_p(lost, gained))


def test_mcnemar_of_many_images() -> None:
    assert mcnemar_p(0, 60) == 2.0**-59
    assert mcnemar_p(25_000, 25_000) == 1.0
    # The normal approximation with continuity correction: z = (|b - c| - 1) / sqrt(b + c).
    z = (5300 - 4700 - 1) / 10_000**0.5
    normal = 2 * (1 - statistics.NormalDist().cdf(z))
    assert mcnemar_p(4700, 5300) == pytest.approx(normal, rel=0.02)
    assert mcnemar_p(5300, 4700) == mcnemar_p(4700, 5300)
    assert mcnemar_p(0, 5000) == 0.0  # Below the smallest double.


def test_resamples_are_always_the_same_draws_with_replacement() -> None:
    one = np.concatenate(list(resamples(7, 1000)))
    other = np.concatenate(list(resamples(7, 3)))
    assert np.array_equal(one, other)
    assert one.shape == (RESAMPLES, 7)
    assert set(one.sum(axis=1)) == {7}
    generator = np.random.default_rng(0)
    for counts in one[:5]:
        drawn = generator.integers(7, size=7).tolist()
        assert counts.tolist() == [drawn.count(image) for image in range(7)]


def test_resampled_means_are_those_of_the_drawn_images() -> None:
    values = np.random.default_rng(1).random((9, 2))
    means = resampled_means(values)
    drawn = np.concatenate(list(resamples(9, RESAMPLES)))
    for place in (0, 500, 999):
        images = np.repeat(np.arange(9), drawn[place])
        assert means[place] == pytest.approx(values[images].mean(axis=0))


def test_interval_is_between_percentiles() -> None:
    values = np.arange(1001.0)
    assert interval(values) == pytest.approx((25.0, 975.0))
    assert interval(np.append(values, np.nan)) == pytest.approx((25.0, 975.0))
    assert interval(np.full(3, np.nan)) is None


@pytest.mark.parametrize(
    ("limits", "covers"),
    [
        ((-1.0, 1.0), True),
        ((0.0, 2.0), True),
        ((-2.0, 0.0), True),
        ((0.1, 2.0), False),
        ((-2.0, -0.1), False),
        (None, True),
        ((-30.0, -1.4e-14), True),
        ((1e-14, 3.0), True),
        ((-3.0, -1e-6), False),
    ],
)
def test_covers_zero(limits: tuple[float, float] | None, covers: bool) -> None:
    assert covers_zero(limits) is covers
