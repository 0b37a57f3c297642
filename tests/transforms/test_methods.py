"""Registries, names and identities of methods."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.codecs.encoders import ENCODERS
from sysnoise.transforms.colors import COLORS
from sysnoise.transforms.libraries import library_build
from sysnoise.transforms.methods import (
    Method,
    UnknownNameError,
    closest_name,
    get_method,
    identity,
    install_line,
    registry,
    unknown_name,
)
from sysnoise.transforms.resizers import RESIZES
from tests.installed import INSTALLED

REGISTRIES: Mapping[str, Mapping[str, Method[Any]]] = {
    "decoders": DECODERS,
    "resizes": RESIZES,
    "colors": COLORS,
    "encoders": ENCODERS,
}


def method(name: str, *aliases: str) -> Method[Any]:
    return Method(name, "numpy", lambda: name, aliases=aliases)


def test_methods_are_found_by_name_and_alias() -> None:
    first, second = method("plain-box", "box", "square"), method("plain-cubic")
    methods = registry([first, second])
    assert list(methods) == ["plain-box", "plain-cubic"]
    for name in ("plain-box", "box", "square"):
        assert get_method(methods, "resize", name) is first
    assert get_method(methods, "resize", "plain-cubic") is second


@pytest.mark.parametrize(
    "clashing",
    [
        [method("cubic"), method("cubic")],
        [method("box", "cubic"), method("cubic")],
        [method("cubic"), method("box", "cubic")],
        [method("box", "cubic"), method("hamming", "cubic")],
        [method("cubic", "cubic")],
    ],
)
def test_a_name_stands_for_one_method(clashing: list[Method[Any]]) -> None:
    with pytest.raises(ValueError, match=r"^two methods are called 'cubic'$"):
        registry(clashing)


def test_a_library_has_to_be_registered() -> None:
    unknown = Method("mine", "my-library", lambda: None)
    message = (
        r"^the method 'mine' is done by the library 'my-library', which is not registered: "
        r"add a Library of that name to LIBRARIES in sysnoise/transforms/libraries\.py, or, from "
        r"another distribution, to its entry points in the group 'sysnoise.libraries'$"
    )
    with pytest.raises(ValueError, match=message):
        registry([method("cubic"), unknown])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("boxx", "unknown resize 'boxx' (did you mean 'box'?); valid: box, cubic"),
        ("nothing-like-it", "unknown resize 'nothing-like-it'; valid: box, cubic"),
        ("boks-any", "unknown resize 'boks-any'; valid: box, cubic"),
    ],
)
def test_unknown_name_lists_the_valid_ones(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        get_method(registry([method("box"), method("cubic")]), "resize", name)
    assert str(caught.value) == message


def test_long_lists_are_cut_beside_a_suggestion() -> None:
    names = [f"{letter * 5}-{number}" for letter in "abc" for number in range(1, 9)]
    assert unknown_name("resize", "bbbb-3", names) == (
        "unknown resize 'bbbb-3' (did you mean 'bbbbb-3'?); valid: bbbbb-1, bbbbb-2, bbbbb-3, "
        "bbbbb-4, bbbbb-5, bbbbb-6, bbbbb-7, bbbbb-8 and 16 more; docs/catalogue.md lists them"
    )
    assert unknown_name("variant", "bbbb-3", names).endswith("bbbbb-8 and 16 more")
    assert unknown_name("resize", "xyz", names).endswith(f"; valid: {', '.join(names)}")


def test_names_are_also_compared_by_the_words_that_they_begin_with() -> None:
    names = ["fp16", "int8-symmetric-per-tensor", "int8-asymmetric-per-tensor", "ceil-mode"]
    assert closest_name("int9", names) == "int8-symmetric-per-tensor"
    assert closest_name("int9-asymetric", names) == "int8-asymmetric-per-tensor"
    assert closest_name("float", names) is None


def test_unknown_name_need_not_be_a_text() -> None:
    assert unknown_name("seed", 5, ["zero"]) == "unknown seed 5; valid: zero"


def test_identity_holds_build_and_sorted_options() -> None:
    function: Any = None
    found = identity(Method("m", "numpy", function, {"z": 1, "a": "x"}))
    assert found == {
        "name": "m",
        "library": "numpy",
        "build": {"version": np.__version__},
        "options": {"a": "x", "z": 1},
    }
    assert list(found["options"]) == ["a", "z"]


@pytest.mark.parametrize("axis", REGISTRIES)
def test_shipped_methods_have_names_that_are_safe_in_paths(axis: str) -> None:
    for key, shipped in REGISTRIES[axis].items():
        assert key == shipped.name
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key)


def installed_methods(axis: str) -> list[Method[Any]]:
    return [each for each in REGISTRIES[axis].values() if each.library in INSTALLED]


@pytest.mark.parametrize("axis", REGISTRIES)
def test_identities_are_json(axis: str) -> None:
    for shipped in installed_methods(axis):
        read = json.loads(json.dumps(identity(shipped)))
        assert read["build"]["version"] == library_build(shipped.library)["version"]
        assert read["options"] == dict(shipped.options)


@pytest.mark.parametrize(
    ("axis", "alike"),
    [("decoders", 1), ("resizes", 0)],  # OpenCV's decoders differ in orientation alone.
)
def test_identities_tell_methods_of_an_axis_apart(axis: str, alike: int) -> None:
    identities = [identity(shipped) for shipped in installed_methods(axis)]
    facts = {json.dumps([each["library"], each["options"]]) for each in identities}
    assert len(facts) == len(identities) - alike


COMMIT = "9babca98d6b0d5a4c14e1d8ed1f4b0a94d5e3f10"
ORIGINS: Mapping[str, tuple[dict[str, Any] | None, str]] = {
    "index": (None, "'sysnoise[jxl,s3]'"),
    "checkout": (
        {"url": "file:///home/a%20b/sysnoise", "dir_info": {"editable": True}},
        "--editable '/home/a b/sysnoise[jxl,s3]'",
    ),
    "folder": ({"url": "file:///src/sysnoise", "dir_info": {}}, "'/src/sysnoise[jxl,s3]'"),
    "wheel": (
        {"url": "file:///dist/sysnoise-0.1.0-py3-none-any.whl", "archive_info": {}},
        "'sysnoise[jxl,s3] @ file:///dist/sysnoise-0.1.0-py3-none-any.whl'",
    ),
    "git": (
        {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
        f"'sysnoise[jxl,s3] @ git+https://example.org/x.git@{COMMIT}'",
    ),
}
"""What pip records of a place that it installs from, and what it must be given for extras."""


@pytest.mark.parametrize(("origin", "expected"), ORIGINS.values(), ids=ORIGINS)
def test_extras_are_installed_from_where_the_package_came(
    origin: dict[str, Any] | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "sysnoise-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: sysnoise\nVersion: 0.1.0\n", "utf-8")
    if origin is not None:
        (installed / "direct_url.json").write_text(json.dumps(origin), "utf-8")
    pip = tmp_path / "bin" / "pip"
    pip.parent.mkdir()
    pip.touch(0o755)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "executable", str(pip.with_name("python")))
    monkeypatch.setenv("PATH", "/nowhere")
    assert install_line("jxl", "s3") == f"{pip.with_name('python')} -m pip install {expected}"
    monkeypatch.setenv("PATH", str(pip.parent))
    assert install_line("jxl", "s3") == f"pip install {expected}"
