"""The demo on each supported version of Python that is on the PATH, in its own environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import ROOT

pytestmark = pytest.mark.pythons

VERSIONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_demo_runs(version: str, tmp_path: Path) -> None:
    found = on_the_path(f"python{version}")
    if found is None:
        pytest.skip(f"python{version} is not on the PATH")
    environment = tmp_path / "venv"
    call(found, "-m", "venv", environment)
    python = environment / "bin" / "python"
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    call(python, *install, "--editable", f"{ROOT}[demo]")
    command = environment / "bin" / "sysnoise"
    call(command, "demo", f"--output={tmp_path / 'demo'}")
    for dataset in ("imagenet", "coco"):
        images = tmp_path / "demo" / "source" / dataset / "images"
        regenerate = ("--pixels", "--regenerate=3", f"--images={images}")
        assert "no problems" in call(command, "verify", tmp_path / "demo" / dataset, *regenerate)


def test_the_versions_are_those_of_the_package() -> None:
    text = (ROOT / "setup.py").read_text("utf-8")
    assert all(f'"Programming Language :: Python :: {version}"' in text for version in VERSIONS)
    assert f'python_requires=">={VERSIONS[0]}"' in text
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in VERSIONS


def on_the_path(name: str) -> str | None:
    """The first program of this name that starts; pyenv has some that do not."""
    for folder in os.get_exec_path():
        found = shutil.which(name, path=folder)
        if found and subprocess.run([found, "-c", ""], check=False).returncode == 0:
            return found
    return None


def call(*arguments: str | Path) -> str:
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
