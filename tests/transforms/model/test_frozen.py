"""Shapes of a Reshape whose input has other sizes, against arrays of which parts are known."""

from __future__ import annotations

import pytest

from sysnoise.transforms.model.frozen import regrouped

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("old", "result", "new", "expected"),
    [
        ((1, 36, 3, 3), (1, 9, 4, 3, 3), (1, 36, 4, 4), (1, 9, 4, 4, 4)),
        ((1, 36, 3, 3), (1, 36, 9), (1, 36, 4, 4), (1, 36, 16)),
        ((1, 3, 3, 36), (1, 81, 4), (1, 4, 4, 36), (1, 144, 4)),
        ((1, 36, 2, 2), (1, 4, 36), (1, 36, 3, 3), (1, 4, 81)),
        ((1, 2, 2, 36), (1, 36, 4), (1, 3, 3, 36), (1, 81, 4)),  # And not (1, 36, 9).
        ((9, 2, 2, 4), (3, 12, 4), (9, 3, 3, 4), (3, 27, 4)),
        ((1, 8, 5, 5), (1, 8, 5, 5), (1, 8, 6, 5), (1, 8, 6, 5)),
        ((1, 8, 5, 1), (8, 5), (1, 8, 6, 1), (8, 6)),
        ((8, 5), (1, 8, 1, 5, 1), (8, 6), (1, 8, 1, 6, 1)),
        ((1, 8, 4, 4), (8, 16), (1, 8, 4, 4), (8, 16)),
        ((1, 16, 8), (1, 4, 4, 8), (1, 25, 8), None),  # The map could have any sides.
        ((2, 3, 3), (3, 6), (2, 4, 4), None),
        ((2, 3), (7,), (2, 4), None),
        ((2, 0), (0, 5), (2, 0), None),
    ],
)
def test_axes_that_changed_take_their_new_sizes(
    old: Shape, result: Shape, new: Shape, expected: Shape | None
) -> None:
    assert regrouped(old, result, new) == expected
