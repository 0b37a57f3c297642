"""What differs between two documents, as messages have it."""

from __future__ import annotations

import pytest

from sysnoise.manifests.changes import LONG_LIST, field_changes

NAMES = [f"decoder-{number:02d}" for number in range(12)]
STACKS = [{"name": name, "decoder": name, "resize": "pillow-bilinear"} for name in NAMES]


def test_short_lists_are_whole() -> None:
    changes = field_changes({"grid": {"colors": ["rgb"]}}, {"grid": {"colors": ["rgb", "bgr"]}})
    assert changes == ["grid.colors: ['rgb'] -> ['rgb', 'bgr']"]


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (NAMES, [*NAMES[1:], "mine"], f"{NAMES[0]}, and 11 that both have -> mine, and 11 that"),
        (
            STACKS,
            STACKS[:10],
            f"{NAMES[10]}, {NAMES[11]}, and 10 that both have -> nothing, and 10",
        ),
        (NAMES, NAMES[::-1], "the same in another order"),
        (None, NAMES, f"nothing -> {', '.join(NAMES[:6])}, 6 more"),
    ],
    ids=["names", "documents", "order", "added"],
)
def test_long_lists_have_what_the_other_lacks(
    one: list[object] | None, other: list[object], text: str
) -> None:
    assert len(str(other)) > LONG_LIST
    documents = [{} if value is None else {"list": value} for value in (one, other)]
    (change,) = field_changes(*documents)
    assert change.startswith(f"list: {text}")
