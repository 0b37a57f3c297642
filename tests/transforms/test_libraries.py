"""Build facts of the libraries, against what the libraries themselves report."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import kornia_rs
import numpy as np
import pytest
import simplejpeg
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import features

from sysnoise.transforms.libraries import (
    LIBRARIES,
    cpu_features,
    is_importable,
    jpegli_build,
    library_build,
    opencv_build,
    pillow_build,
    pyav_build,
    simplejpeg_build,
    vips_build,
    zune_build,
)
from tests.installed import INSTALLED

ROOT = Path(__file__).parents[2]


def setup_argument(name: str) -> Any:
    """The value that setup.py gives to an argument of ``setup``."""
    calls = ast.walk(ast.parse((ROOT / "setup.py").read_text("utf-8")))
    (value,) = [each.value for each in calls if isinstance(each, ast.keyword) and each.arg == name]
    return ast.literal_eval(value)


def required(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


@pytest.mark.parametrize("name", LIBRARIES)
def test_setup_installs_the_package(name: str) -> None:
    library, extras = LIBRARIES[name], setup_argument("extras_require")
    message = f"{library.package} of {library!r} is missing in setup.py"
    if library.extra is None:
        assert library.package in required(setup_argument("install_requires")), message
    else:
        assert library.package in required(extras.get(library.extra, [])), message


def test_mypy_knows_which_libraries_have_no_types() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]
    silent = [each for each in settings["overrides"] if each.get("ignore_missing_imports")]
    untyped = {module for each in silent for module in each["module"]}
    for library in LIBRARIES.values():
        package = library.module.partition(".")[0]
        spec = importlib.util.find_spec(package)
        typed = spec and spec.origin and Path(spec.origin).with_name("py.typed").exists()
        assert library.extra is None or typed or f"{package}.*" in untyped, (
            f"add '{package}.*' to mypy's list of libraries without types in pyproject.toml"
        )


def test_names_are_those_of_the_registry() -> None:
    assert [each.name for each in LIBRARIES.values()] == list(LIBRARIES)
    assert all(map(is_importable, INSTALLED))


@pytest.mark.parametrize("library", INSTALLED)
def test_version_comes_first_and_is_the_installed_one(library: str) -> None:
    facts = list(library_build(library).items())
    installed = importlib.metadata.version(LIBRARIES[library].package)
    assert facts[0][0] == "version"
    # opencv-python-headless adds a packaging number to OpenCV's three.
    assert installed.split(".")[:3] == str(facts[0][1]).split(".")[:3]


@pytest.mark.parametrize("library", INSTALLED)
def test_facts_are_json_and_the_same_each_time(library: str) -> None:
    assert json.dumps(library_build(library)) == json.dumps(LIBRARIES[library].build())


def test_pillow_codecs_are_those_of_its_own_report() -> None:
    report = io.StringIO()
    features.pilinfo(report, supported_formats=False)
    facts = pillow_build()
    assert f"compiled for libjpeg-turbo {facts['libjpeg_turbo']}\n" in report.getvalue()
    assert f"WEBP support ok, loaded {facts['libwebp']}\n" in report.getvalue()
    assert f"compiled for zlib-ng {facts['zlib_ng']}\n" in report.getvalue()


def test_pillow_with_plain_libjpeg_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    reported = {"libjpeg_turbo": None, "zlib_ng": None, "webp": "1.0", "jpg": "9.5"}
    monkeypatch.setattr(features, "version", reported.__getitem__)
    assert {k: v for k, v in pillow_build().items() if k != "version"} == {
        "libjpeg": "9.5",
        "libwebp": "1.0",
    }


def test_opencv_codecs_stand_in_its_build_information() -> None:
    lines = [re.sub(r"\s+", " ", line).strip() for line in cv2.getBuildInformation().splitlines()]
    facts = opencv_build()
    assert f"JPEG: {facts['jpeg']}" in lines
    assert f"PNG: {facts['png']}" in lines
    assert facts["cpu_features"] == cv2.getCPUFeaturesLine()


def test_opencv_codec_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    information = re.sub("(?m)^ +JPEG:.*$", "", cv2.getBuildInformation())
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: information)
    assert opencv_build()["jpeg"] == "not built in"
    assert opencv_build()["png"] != "not built in"


@pytest.fixture
def without_ipp() -> Iterator[None]:
    used = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    yield
    cv2.ipp.setUseIPP(used)


@pytest.mark.usefixtures("without_ipp")
def test_opencv_with_ipp_switched_off() -> None:
    assert opencv_build()["ipp"] == "off"


def test_simplejpeg_libjpeg_turbo_stands_in_its_binary() -> None:
    found = str(simplejpeg_build()["libjpeg_turbo"])
    assert re.fullmatch(r"\d+\.\d+(\.\d+)*", found)
    binary = Path(simplejpeg._jpeg.__file__).read_bytes()
    assert f"libjpeg-turbo version {found} ".encode() in binary


def test_simplejpeg_binary_that_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    binary = tmp_path / "stripped.so"
    binary.write_bytes(b"no version here")
    monkeypatch.setattr(simplejpeg._jpeg, "__file__", str(binary))
    assert simplejpeg_build()["libjpeg_turbo"] == "not found in the binary"


def test_zune_jpeg_stands_in_the_binary_as_a_source_path() -> None:
    found = zune_build()["zune_jpeg"]
    extension: Any = kornia_rs.kornia_rs
    assert f"/zune-jpeg-{found}/src/decoder.rs".encode() in Path(extension.__file__).read_bytes()


def test_commit_of_jpegli() -> None:
    assert re.fullmatch("[0-9a-f]{40}", str(jpegli_build()["jpegli"]))


def test_version_of_libvips() -> None:
    major, minor, micro = str(vips_build()["libvips"]).split(".")
    wheel = importlib.metadata.version("pyvips-binary")
    assert wheel.split(".")[:3] == [major, minor, micro]


@pytest.mark.parametrize("library", ["libavcodec", "libavutil", "libswscale"])
def test_pyav_libraries(library: str) -> None:
    major, minor, micro = av.library_versions[library]
    assert pyav_build()[library] == f"{major}.{minor}.{micro}"


def simd() -> dict[str, Any]:
    configuration: Any = np.show_config(mode="dicts")
    found: dict[str, Any] = configuration["SIMD Extensions"]
    return found


def test_cpu_features_are_the_sorted_ones_numpy_found() -> None:
    extensions = simd()
    assert list(cpu_features()) == sorted({*extensions["baseline"], *extensions.get("found", [])})
    assert set(cpu_features()).isdisjoint(extensions.get("not found", []))


def test_cpu_features_of_a_cpu_with_the_baseline_alone() -> None:
    environment = {"NPY_DISABLE_CPU_FEATURES": " ".join(simd().get("found", []))}
    code = "from sysnoise.transforms.libraries import cpu_features; print(*cpu_features())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.stdout.split()) == ("", sorted(simd()["baseline"]))
