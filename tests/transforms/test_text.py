"""Texts that a terminal would obey."""

from __future__ import annotations

import json

import pytest

from sysnoise.transforms.text import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bär 猫 ±†█", "Bär 猫 ±†█"),
        ("\x1b[2Jgone", r"\u001b[2Jgone"),
        ("a\rb\tc\x7f", r"a\u000db\u0009c\u007f"),
        ("\x9b31m", r"\u009b31m"),
        ("gpj\u202eexe", r"gpj\u202eexe"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\udb40\udc41"),
    ],
)
def test_hidden_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert json.loads(f'"{printable(text)}"') == text


def test_line_ends_stay_unless_one_line_is_wanted() -> None:
    assert printable("a\nb") == "a\nb"
    assert one_line("a\nb") == r"a\nb"
