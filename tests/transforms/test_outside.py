"""Methods of other distributions: how they join the registries, and which are left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.outside import ENTRY_POINTS, MODULE, EntryPoints, environment, write_distribution

PRINT = """
import json, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from sysnoise.transforms.grid import METHODS
from sysnoise.transforms.libraries import LIBRARIES
from sysnoise.transforms.methods import identity
outside = [
    method for axis in METHODS.values() for method in axis.values() if method.distribution
]
print(json.dumps({
    "libraries": [name for name in LIBRARIES if name == "repeating"],
    "identities": [identity(method) for method in outside],
    "warnings": [str(each.message) for each in caught],
}))
"""


def printed(folder: Path, code: str = PRINT) -> dict[str, Any]:
    """What a new process finds in the registries."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment(folder),
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_entry_points_join_the_registries(tmp_path: Path) -> None:
    write_distribution(tmp_path)
    found = printed(tmp_path)
    assert found["libraries"] == ["repeating"]
    assert found["warnings"] == []
    decoder, resize = found["identities"]
    assert decoder == {
        "name": "pillow-gray",
        "library": "pillow",
        "build": decoder["build"],
        "options": {"mode": "L"},
        "distribution": "sysnoise-gray==1.2",
    }
    assert resize == {
        "name": "repeating-floor",
        "library": "repeating",
        "build": {"version": "1.2"},
        "options": {},
        "distribution": "sysnoise-gray==1.2",
    }


def test_without_such_distributions_nothing_joins(tmp_path: Path) -> None:
    assert printed(tmp_path) == {"libraries": [], "identities": [], "warnings": []}


def test_the_module_of_a_distribution_can_be_imported_first(tmp_path: Path) -> None:
    write_distribution(tmp_path)
    found = printed(tmp_path, "import repeating\n" + PRINT)
    assert found["warnings"] == []
    assert [each["name"] for each in found["identities"]] == ["pillow-gray", "repeating-floor"]


def one(group: str, name: str, place: str) -> EntryPoints:
    return {"sysnoise.libraries": {"repeating": "repeating:library"}} | {group: {name: place}}


DECODERS, RESIZES, LIBRARIES = "sysnoise.decoders", "sysnoise.resizes", "sysnoise.libraries"
REFUSED = {
    "absent module": (
        one(DECODERS, "pillow-gray", "absent:decoder"),
        MODULE,
        "'pillow-gray' of sysnoise-gray==1.2 in 'sysnoise.decoders' is left out: No module named "
        "'absent'",
    ),
    "absent attribute": (
        one(DECODERS, "pillow-gray", "repeating:absent"),
        MODULE,
        "module 'repeating' has no attribute 'absent'",
    ),
    "another kind": (
        one(DECODERS, "repeating-floor", "repeating:resize"),
        MODULE,
        "expected a Decoder, found Method(name='repeating-floor'",
    ),
    "another name": (
        one(DECODERS, "gray", "repeating:decoder"),
        MODULE,
        "'gray' of sysnoise-gray==1.2 in 'sysnoise.decoders' is left out: expected the entry "
        "point's own name, of lower-case letters, digits and single dashes, found 'pillow-gray'",
    ),
    "name that is no part of a path": (
        one(DECODERS, "pillow/gray", "repeating:decoder"),
        MODULE.replace('"pillow-gray"', '"pillow/gray"'),
        "single dashes, found 'pillow/gray'",
    ),
    "name of a method": (
        one(DECODERS, "opencv", "repeating:decoder"),
        MODULE.replace('"pillow-gray"', '"opencv"'),
        "'opencv' of sysnoise-gray==1.2 in 'sysnoise.decoders' is left out: two methods are called "
        "'opencv'",
    ),
    "alias of a method": (
        one(RESIZES, "pil-cubic", "repeating:resize"),
        MODULE.replace('"repeating-floor"', '"pil-cubic"'),
        "two methods are called 'pil-cubic'",
    ),
    "library that is not registered": (
        {RESIZES: {"repeating-floor": "repeating:resize"}},
        MODULE,
        "the method 'repeating-floor' is done by the library 'repeating', which is not registered",
    ),
    "name of a library": (
        {LIBRARIES: {"opencv": "repeating:library"}},
        MODULE.replace('Library("repeating"', 'Library("opencv"'),
        "two libraries are called 'opencv'",
    ),
    "module that raises": (
        one(DECODERS, "pillow-gray", "repeating:decoder"),
        "raise RuntimeError('this needs a license')",
        "is left out: this needs a license",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_left_out_and_why(what: str, tmp_path: Path) -> None:
    entry_points, module, message = REFUSED[what]
    write_distribution(tmp_path, entry_points=entry_points, module=module)
    found = printed(tmp_path)
    assert found["identities"] == []
    assert any(message in each for each in found["warnings"]), found["warnings"]


def test_of_two_distributions_with_one_name_the_second_is_left_out(tmp_path: Path) -> None:
    write_distribution(tmp_path)
    write_distribution(tmp_path, "sysnoise-more", {DECODERS: ENTRY_POINTS[DECODERS]})
    found = printed(tmp_path)
    assert len(found["identities"]) == 2
    (message,) = found["warnings"]
    assert message.endswith("is left out: two methods are called 'pillow-gray'")
