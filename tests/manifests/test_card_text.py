"""Groups of identical variants in the card."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sysnoise.manifests.card_text import identical_groups
from sysnoise.manifests.manifest import Manifest


@pytest.mark.parametrize(
    ("likes", "groups"),
    [
        ({"a": None, "b": None}, []),
        ({"a": None, "b": ("a", 1.0)}, [["a", "b"]]),
        ({"a": None, "b": ("a", 0.99)}, []),
        (
            {"a": None, "b": None, "c": ("a", 1.0), "d": ("b", 1.0), "e": ("c", 1.0)},
            [["a", "c", "e"], ["b", "d"]],
        ),
    ],
)
def test_identical_groups(
    likes: dict[str, tuple[str, float] | None], groups: list[list[str]]
) -> None:
    variants: Any = [
        {"id": name, "most_like": like and {"variant": like[0], "share": like[1]}}
        for name, like in likes.items()
    ]
    assert identical_groups(cast("Manifest", {"variants": variants})) == groups
