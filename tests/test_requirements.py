"""What make installs: locked by hash, and in the bounds that setup.py gives."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.installed import TEST_EXTRAS

ROOT = Path(__file__).parents[1]


def locked(name: str) -> dict[str, str]:
    """The version of each package that applies here, by name."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert all("--hash=sha256:" in entry for entry in entries)
    found = [Requirement(entry.partition(" \\")[0]) for entry in entries]
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in found
        if each.marker is None or each.marker.evaluate()
    }


@pytest.mark.parametrize(("name", "extras"), [("demo", ("demo",)), ("test", TEST_EXTRAS)])
def test_the_lock_holds_what_setup_asks_for(name: str, extras: tuple[str, ...]) -> None:
    versions = locked(name)
    needed = [Requirement(text) for text in importlib.metadata.requires("sysnoise") or []]
    for each in needed:
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras):
            assert each.specifier.contains(versions[canonicalize_name(each.name)]), each
    assert {"pip", "setuptools"} <= versions.keys()


def test_the_makefile_locks_these_extras() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"TEST_EXTRAS := {' '.join(TEST_EXTRAS)}\n" in makefile


def test_both_locks_hold_the_same_versions() -> None:
    assert locked("demo").items() <= locked("test").items()
