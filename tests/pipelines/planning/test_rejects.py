"""How many samples may be rejected."""

from __future__ import annotations

from fractions import Fraction

import pytest

from sysnoise.pipelines.planning.rejects import RejectLimit, most_rejects


@pytest.mark.parametrize(
    ("limit", "samples", "most"),
    [
        (None, 1, 0),
        (None, 2, 1),
        (None, 5, 2),
        (None, 24, 10),
        (None, 999, 10),
        (None, 50_000, 500),
        (0, 100, 0),
        (7, 100, 7),
        (100, 100, 99),
        (Fraction(1, 2), 9, 4),
        (Fraction(29, 100), 100, 29),  # 0.29 * 100 is less than 29 in binary.
        (Fraction(1), 9, 8),
    ],
)
def test_a_number_a_share_or_neither_limits_rejects(
    limit: RejectLimit, samples: int, most: int
) -> None:
    assert most_rejects(limit, samples) == most
