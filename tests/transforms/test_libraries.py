"""Build facts of the libraries, against what the libraries themselves report."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import features

from sysnoise.transforms.libraries import (
    BUILDS,
    cpu_features,
    library_build,
    opencv_build,
    pillow_build,
    pyav_build,
    simplejpeg_build,
)

PACKAGES = {
    "pillow": "pillow",
    "opencv": "opencv-python-headless",
    "simplejpeg": "simplejpeg",
    "pyav": "av",
    "numpy": "numpy",
    "imagecodecs": "imagecodecs",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
}


@pytest.mark.parametrize("library", PACKAGES)
def test_version_comes_first_and_is_the_installed_one(library: str) -> None:
    facts = list(library_build(library).items())
    installed = importlib.metadata.version(PACKAGES[library])
    assert facts[0][0] == "version"
    # opencv-python-headless adds a packaging number to OpenCV's three.
    assert installed.split(".")[:3] == str(facts[0][1]).split(".")[:3]


@pytest.mark.parametrize("library", PACKAGES)
def test_facts_are_json_and_the_same_each_time(library: str) -> None:
    assert json.dumps(library_build(library)) == json.dumps(BUILDS[library]())


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
