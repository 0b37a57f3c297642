"""Flipped bits of finished sets, a few of each file; ``tests/slow`` flips many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flipped_bits import SETS, Flip, chosen_flips, shared_sets, unnamed_flips
from tests.shared import SharedFolders

FLIPS = 60
"""Number of flipped bits of each set: two or three of each of its files."""


@pytest.mark.parametrize("name", SETS)
def test_flipped_bits_are_named(name: str, shared: SharedFolders, tmp_path: Path) -> None:
    source = shared_sets(shared) / name
    flips = chosen_flips(source, FLIPS, seed=15)
    assert unnamed_flips(source, tmp_path / "set", flips) == []


def test_a_flip_in_what_the_fingerprint_leaves_out_is_named(
    shared: SharedFolders, tmp_path: Path
) -> None:
    """The grid's name may change; the plan is still one, and the manifest is not to blame."""
    source = shared_sets(shared) / "imagenet"
    name = (source / "plan.json").read_bytes().index(b'"name": "grid"') + len(b'"name": "')
    flips = iter([Flip("plan.json", name, 1)])
    assert unnamed_flips(source, tmp_path / "set", flips) == []
