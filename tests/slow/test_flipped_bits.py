"""Every flipped bit of a finished set is named by its file, and hides no other damage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.flipped_bits import SETS, chosen_flips, shared_sets, unnamed_flips
from tests.shared import SharedFolders

pytestmark = pytest.mark.slow

FLIPS = int(os.environ.get("SYSNOISE_FLIPS", "20000"))
"""Number of flipped bits of all sets together."""


@pytest.mark.parametrize("name", SETS)
def test_every_flipped_bit_is_named(name: str, shared: SharedFolders, tmp_path: Path) -> None:
    source = shared_sets(shared) / name
    flips = chosen_flips(source, FLIPS // len(SETS), seed=15)
    assert unnamed_flips(source, tmp_path / "set", flips) == []
