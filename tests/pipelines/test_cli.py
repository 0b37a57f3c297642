"""The parts of the command that generate nothing."""

from __future__ import annotations

import pytest

from pipelines.cli import IMAGE_FORMATS, main
from transforms.encoders import ENCODERS


def test_grids_lists_the_grids(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grids"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert lines[3].split()[:3] == ["imagenet-full", "132", "variants:"]


def test_grids_lists_the_variants_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grids", "coco-published"]) == 0
    assert capsys.readouterr().out == "pillow/pillow-bilinear/rgb\npillow/pillow-nearest/rgb\n"


def test_image_formats_are_the_encoders() -> None:
    assert set(IMAGE_FORMATS) == set(ENCODERS)


@pytest.mark.parametrize(
    "arguments", [[], ["generate"], ["generate", "imagenet"], ["grids", "--nam"], ["nonsense"]]
)
def test_bad_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    assert capsys.readouterr().err
