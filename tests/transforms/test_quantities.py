"""Numbers in texts for people, against what people write."""

from __future__ import annotations

import pytest

from sysnoise.transforms.quantities import counted, duration_text, size_text


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "shard", "0 shards"),
        (1, "shard", "1 shard"),
        (2, "process", "2 processes"),
        (1, "process", "1 process"),
        (3, "geometry", "3 geometries"),
        (2, "key", "2 keys"),
        (850000, "image", "850,000 images"),
    ],
)
def test_nouns_agree_with_their_numbers(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (87_868_800_000, "87.9 GB"),
        (1.5e12, "1.5 TB"),
        (2.5e15, "2,500.0 TB"),
    ],
)
def test_sizes_have_decimal_units(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (1262, "21 min 02 s"),
        (2220, "37 min"),
        (3599.6, "1 h"),
        (3 * 3600 + 5 * 60, "3 h 05 min"),
    ],
)
def test_durations_name_their_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
