"""How results number categories: by the ids of the set, or by their place among them."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from enum import Enum

from sysnoise.pipelines.errors import InputError, quoted
from sysnoise.pipelines.scoring.result_files import ImageNaming


class CategoryNumbering(Enum):
    """What ``category_id`` is; the value describes it for notes."""

    IDS = "the set's own ids"
    FROM_ZERO = "places in the order of the set's ids, from 0"
    FROM_ONE = "places in the order of the set's ids, from 1"

    def ids(self, categories: Sequence[int]) -> dict[int, int]:
        """Return the set's id of a category by the number that stands for it."""
        if self is CategoryNumbering.IDS:
            return {each: each for each in categories}
        first = 0 if self is CategoryNumbering.FROM_ZERO else 1
        return dict(enumerate(sorted(categories), start=first))


POSSIBLE = {
    ImageNaming.IDS: (CategoryNumbering.IDS, CategoryNumbering.FROM_ZERO),
    ImageNaming.KEYS: (
        CategoryNumbering.IDS,
        CategoryNumbering.FROM_ONE,
        CategoryNumbering.FROM_ZERO,
    ),
    ImageNaming.FILES: (CategoryNumbering.IDS, CategoryNumbering.FROM_ONE),
}
"""What may number categories, the likelier first, by how the same results name images.

Ultralytics numbers COCO's categories by id where its ``data.yaml`` names COCO's own list of images.
For all others it begins at 1, and before version 8.3 at 0; it names files since it begins at 1.
"""


def numbering_of(
    categories: Sequence[int], used: AbstractSet[int], naming: ImageNaming
) -> CategoryNumbering:
    """Return how the results of a model number categories.

    Args:
        categories: the ids of the set's categories.
        used: the numbers that occur in the results of all settings.
        naming: how the results name images, the least like COCO's of all settings.

    Returns:
        The only numbering that has all of the numbers, or that of the set's ids where there is
        none. COCO's results format has the set's ids, unless a 0 says otherwise.

    Raises:
        InputError: several have, and they mean different categories.
    """
    fitting = [each for each in POSSIBLE[naming] if used <= each.ids(categories).keys()]
    if naming is ImageNaming.IDS and 0 not in used:
        return CategoryNumbering.IDS
    meanings = {
        tuple(each.ids(categories)[number] for number in sorted(used)): each
        for each in reversed(fitting)
    }
    if len(meanings) > 1:
        raise InputError(
            f"category_id may be {' or '.join(each.value for each in fitting)}: the numbers that "
            f"occur fit both, {quoted([str(each) for each in sorted(used)])}; write the set's ids, "
            "or predict with a lower threshold, so that more categories occur"
        )
    return next(iter(meanings.values()), CategoryNumbering.IDS)
