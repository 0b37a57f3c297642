"""Ranges of shards, as Python slices them."""

from __future__ import annotations

import argparse

import pytest

from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.planning.ranges import parse_range


@pytest.mark.parametrize("text", ["0:49", "3:", ":3", ":", "98:500"])
def test_a_range_is_a_slice(text: str) -> None:
    numbers = list(range(100))
    bounds = (int(bound) if bound else None for bound in text.split(":"))
    assert list(parse_range(text).resolve(100)) == numbers[slice(*bounds)]
    assert str(parse_range(text)) == text


@pytest.mark.parametrize("text", ["", "3", "-1:", "a:b", "1:2:3", "4:4", "5:3", ":0", "1 : 2"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}'"):
        parse_range(text)


def test_a_range_behind_the_last_shard_is_refused() -> None:
    with pytest.raises(UsageError, match="the range 4: names none of the 4 shards, 0 to 3"):
        parse_range("4:").resolve(4)
