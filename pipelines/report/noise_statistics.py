"""The statistics of noise that the report shows: their names, units and order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATISTICS = ("mean", "maximum", "psnr", "changed_share", "identical_share")
"""The statistics of the manifest that are shown, in their order."""
HEADINGS = {
    "mean": "mean",
    "maximum": "max",
    "psnr": "PSNR (dB)",
    "changed_share": "changed pixels (%)",
    "identical_share": "identical images (%)",
}
"""The headings of the statistics, with their units."""

HEAT_STATISTIC = "mean"
"""The statistic that heat maps show."""


def statistic(difference: Mapping[str, Any], name: str) -> float | None:
    """Return a statistic in the unit of its heading; None where it has no value."""
    value = difference[name]
    if value is None:
        return None
    return float(value) * 100 if name.endswith("_share") else float(value)


def statistic_text(difference: Mapping[str, Any], name: str) -> str:
    """Return a statistic as text."""
    value = statistic(difference, name)
    if value is None:
        return "-"
    return f"{value:.{_DECIMALS[name]}f}"


_DECIMALS = {"mean": 4, "maximum": 0, "psnr": 2, "changed_share": 2, "identical_share": 1}
"""Number of decimals of each statistic."""


def variant_levels(variants: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, float]:
    """Return :func:`noise_levels` of a statistic of the manifest's variants, by id."""
    values = {each: statistic(variant["difference"], name) for each, variant in variants.items()}
    return noise_levels(values, name)


def noise_levels(values: Mapping[str, float | None], name: str) -> dict[str, float]:
    """Return how noisy each variant is by a statistic, from 0 for the least to 1 for the most.

    The lower PSNR and the share of identical images are, the more noise there is. A variant without
    a value has no noise; where all other variants have none, the only value stands for the most.
    """
    sign = -1 if name in ("psnr", "identical_share") else 1
    signed = {each: sign * value for each, value in values.items() if value is not None}
    low, high = min(signed.values(), default=0), max(signed.values(), default=0)
    if low == high:
        level = 1.0 if len(signed) < len(values) else 0.0
        return {each: level if each in signed else 0.0 for each in values}
    return {each: (signed[each] - low) / (high - low) if each in signed else 0.0 for each in values}
