"""The demo: two sets and their reports, or nothing at all."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from sysnoise import open_set
from tests.conftest import Command
from tests.end_to_end.commands import command


def test_without_its_extra_the_demo_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    failed = command("demo", f"--output={tmp_path / 'demo'}")
    assert (failed.code, failed.lacks("need scikit-image and scikit-learn", "demo]")) == (2, [])
    assert list(tmp_path.iterdir()) == []


def test_the_demo_ends_with_what_to_look_at(sysnoise: Command, tmp_path: Path) -> None:
    output = tmp_path / "demo"
    done = sysnoise("demo", f"--output={output}")
    assert done.returncode == 0, done.stderr
    assert not {"note", "warning"} & set(re.findall(r"\w+", done.stderr))
    end = done.stdout.rpartition("What to look at, in a browser:")[2]
    pages = [Path(path) for path in re.findall(r"\S+\.html", end)]
    assert pages == [output / "imagenet.html", output / "coco.html"]
    for page in pages:
        assert page.read_text("utf-8").startswith("<!")
        assert open_set(str(page.with_suffix(""))).baseline == "pillow/pillow-bilinear/rgb"
    classes = (output / "source" / "imagenet" / "classes.txt").read_text("utf-8").splitlines()
    assert (len(classes), classes[0], classes[967]) == (
        *(1000, "n01440764\ttench, Tinca tinca"),
        "n07920052\tespresso",
    )
    again = command("demo", f"--output={output}")
    assert (again.code, again.lacks("is not an empty folder; remove it")) == (1, [])
