"""Figures of evaluations: top classes, spread, McNemar's test, bootstrap intervals over images."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
"""Number of resamples behind an interval."""
SEED = 0
"""The seed that the resamples are drawn with."""
CONFIDENCE = 0.95
"""The share of resamples that lie within an interval."""
ROUNDING_ERROR = 1e-9
"""The largest rounding error of a metric in percent, far below what one image is worth."""

Replicates = NDArray[np.float64]
"""The values of a figure on all resamples: shape (RESAMPLES,); NaN where it has none."""


def is_finite_number(value: object) -> bool:
    """Whether a value is a number, no flag, that float64 can hold."""
    if type(value) is int:
        return -sys.float_info.max <= value <= sys.float_info.max
    return type(value) is float and math.isfinite(value)


def top_classes(logits: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Return the classes with the largest logits, the largest first.

    Of equal logits, the lower class comes first.

    Args:
        logits: shape (images, classes); finite.
        count: number of classes that are returned, or all where there are fewer.

    Returns:
        Shape (images, count).
    """
    remaining = logits.astype(np.float64)
    rows = np.arange(len(remaining))
    classes = np.empty((len(remaining), min(count, remaining.shape[1])), np.int64)
    for rank in range(classes.shape[1]):
        classes[:, rank] = remaining.argmax(axis=1)
        remaining[rows, classes[:, rank]] = -np.inf
    return classes


def sample_deviation(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation (n - 1); None for fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def mcnemar_p(lost: int, gained: int) -> float:
    """Return the exact two-sided p of McNemar's test.

    Under the null hypothesis each of the n = lost + gained images that only one of two settings
    gets right is as likely to be lost as gained: p = min(1, 2 P(X <= min(lost, gained))) for X
    binomial with n and 1/2 (McNemar, Psychometrika 12, 1947; its exact form). The sum is one of
    integers.

    Args:
        lost: number of images that only the baseline gets right.
        gained: number of images that only the other setting gets right.
    """
    trials = lost + gained
    term = total = 1
    for successes in range(min(lost, gained)):
        term = term * (trials - successes) // (successes + 1)
        total += term
    return min(1.0, float(2 * total / 2**trials))


def resamples(images: int, size: int) -> Iterator[NDArray[np.int64]]:
    """Yield how often each image is drawn, for all resamples of the bootstrap.

    Images are drawn with replacement, as many as there are (Efron and Tibshirani, An Introduction
    to the Bootstrap, 1993). The resamples are always the same and do not depend on ``size``.

    Args:
        images: number of images.
        size: number of resamples that are yielded at a time.

    Yields:
        Shape (at most size, images).
    """
    generator = np.random.default_rng(SEED)
    for start in range(0, RESAMPLES, size):
        drawn = (
            generator.integers(images, size=images) for _ in range(min(size, RESAMPLES - start))
        )
        yield np.stack([np.bincount(each, minlength=images) for each in drawn])


def resampled_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means over images on every resample.

    Args:
        values: shape (images, figures).

    Returns:
        Shape (RESAMPLES, figures).
    """
    images = len(values)
    size = max(1, 2**22 // max(1, images))
    return np.concatenate([drawn @ values / images for drawn in resamples(images, size)])


def interval(replicates: Replicates) -> tuple[float, float] | None:
    """Return the percentile interval of a figure, or None where it has no value on any resample.

    Args:
        replicates: the figure on each resample.
    """
    values = replicates[~np.isnan(replicates)]
    if not len(values):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def covers_zero(limits: tuple[float, float] | None) -> bool:
    """Return whether a difference may be zero, which it may also where there is no interval.

    A limit that only rounding keeps from zero, as the mean of several differences can be, is zero.
    """
    return limits is None or (limits[0] <= ROUNDING_ERROR and limits[1] >= -ROUNDING_ERROR)
