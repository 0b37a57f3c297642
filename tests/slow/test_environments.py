"""``sysnoise compare`` on sets that two real environments made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sysnoise.pipelines.comparison.compare import SetComparison, compare

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GRID = """
decoders: [pillow, opencv, ffmpeg]
resizes: [pillow-bilinear, opencv-nearest-exact]
colors: [rgb]
geometry: coco-800x1333
combine: one-factor
"""
OLDER = ("av==17.0.0", "opencv-python-headless==4.12.0.88", "pillow==12.1.1", "simplejpeg==1.8.2")


def generate(python: Path, source: Path, output: Path) -> None:
    command = [
        *(str(python), "-P", "-m", "sysnoise.pipelines.cli.main", "generate", "imagenet"),
        f"--images={source / 'images'}",
        f"--label-file={source / 'val.txt'}",
        f"--output={output}",
        f"--grid={output.parent / 'grid.yaml'}",
    ]
    subprocess.run(command, check=True, cwd=output.parent)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, imagenet_source: Path) -> SetComparison:
    """The environment at hand against one with older codecs."""
    folder = tmp_path_factory.mktemp("environments")
    (folder / "grid.yaml").write_text(GRID)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    older = folder / "venv" / "bin" / "python"
    install = [str(older), "-m", "pip", "install", "--quiet", "--editable", str(ROOT), *OLDER]
    subprocess.run(install, check=True)
    generate(older, imagenet_source, folder / "older")
    generate(Path(sys.executable), imagenet_source, folder / "present")
    return compare(str(folder / "older"), str(folder / "present"))


def test_changed_methods_are_named(result: SetComparison) -> None:
    assert any("build.version: 17.0.0" in text for text in result.changes["decoder ffmpeg"])
    assert any("4.12.0" in text for text in result.changes["resize opencv-nearest-exact"])
    assert any("12.1.1" in text for text in result.changes["decoder pillow"])


def test_changed_pixels_are_found(result: SetComparison) -> None:
    """OpenCV 5 mended INTER_NEAREST_EXACT (opencv/opencv#28873); decoders give what they gave."""
    changed = {name for name, each in result.differences.items() if each.squared_sum}
    assert changed == {"pillow/opencv-nearest-exact/rgb"}
    assert result.differences["pillow/opencv-nearest-exact/rgb"].maximum > 2
