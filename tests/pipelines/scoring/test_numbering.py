"""What numbers of categories mean, by hand; the set has the categories 1, 2, 4 and 7."""

from __future__ import annotations

import pytest

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.scoring.numbering import CategoryNumbering, numbering_of
from sysnoise.pipelines.scoring.result_files import ImageNaming

CATEGORIES = (4, 7, 1, 2)
IDS, ZERO, ONE = CategoryNumbering.IDS, CategoryNumbering.FROM_ZERO, CategoryNumbering.FROM_ONE


def test_places_are_those_of_sorted_ids() -> None:
    assert ZERO.ids(CATEGORIES) == {0: 1, 1: 2, 2: 4, 3: 7}
    assert ONE.ids(CATEGORIES) == {1: 1, 2: 2, 3: 4, 4: 7}
    assert IDS.ids(CATEGORIES) == {1: 1, 2: 2, 4: 4, 7: 7}


@pytest.mark.parametrize(
    ("used", "naming", "expected"),
    [
        ({1, 2, 4, 7}, ImageNaming.IDS, IDS),
        ({1, 3}, ImageNaming.IDS, IDS),
        ({0, 3}, ImageNaming.IDS, ZERO),
        ({0, 90}, ImageNaming.IDS, IDS),
        ({1, 2, 3, 4}, ImageNaming.FILES, ONE),
        ({4, 7}, ImageNaming.FILES, IDS),
        ({1, 2}, ImageNaming.FILES, IDS),
        ({0, 2}, ImageNaming.FILES, IDS),
        ({0, 2}, ImageNaming.KEYS, ZERO),
        ({3, 4}, ImageNaming.KEYS, ONE),
        ({90}, ImageNaming.FILES, IDS),
        (set(), ImageNaming.FILES, IDS),
    ],
)
def test_numbers_that_mean_one_thing(
    used: set[int], naming: ImageNaming, expected: CategoryNumbering
) -> None:
    assert numbering_of(CATEGORIES, used, naming) is expected


@pytest.mark.parametrize(
    ("used", "naming"),
    [({4}, ImageNaming.FILES), ({1}, ImageNaming.KEYS), ({1, 2, 3}, ImageNaming.KEYS)],
)
def test_numbers_that_mean_several_things_are_refused(used: set[int], naming: ImageNaming) -> None:
    with pytest.raises(InputError, match="the numbers that occur fit both"):
        numbering_of(CATEGORIES, used, naming)
