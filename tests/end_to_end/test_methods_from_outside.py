"""The command with a decoder, a resize and a library that another distribution brings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.reading import decode_image, manifest, read_tars
from tests.outside import environment, write_distribution

GRID = """\
decoders: [pillow, pillow-gray]
resizes: [pillow-bilinear, repeating-floor]
colors: [rgb]
geometry: {rule: squash, size: 64, crop: 64}
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the distribution and the grid."""
    write_distribution(tmp_path)
    (tmp_path / "grid.yaml").write_text(GRID, "utf-8")
    return tmp_path


def run(folder: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command where Python finds the distribution, or another path."""
    command = [sys.executable, "-m", "sysnoise.pipelines.cli.main", *arguments]
    variables = environment(folder) | ({"PYTHONPATH": path} if path else {})
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=600, env=variables
    )


def test_a_set_is_made_verified_and_described(installed: Path, imagenet_source: Path) -> None:
    images, output = f"--images={imagenet_source / 'images'}", installed / "out"
    done = run(
        installed,
        *("generate", "imagenet", images, f"--label-file={imagenet_source / 'val.txt'}"),
        *(f"--grid={installed / 'grid.yaml'}", f"--output={output}", "--limit=4", "--workers=2"),
        "--samples-per-shard=2",
    )
    assert done.returncode == 0, done.stderr
    for variant in manifest(output)["variants"]:
        for axis, name in (("decoder", "pillow-gray"), ("resize", "repeating-floor")):
            method = variant[axis]
            assert method.get("distribution") == (
                "sysnoise-gray==1.2" if method["name"] == name else None
            )
    assert manifest(output)["environment"]["libraries"]["repeating"] == {"version": "1.2"}
    stored = read_tars(output, "pillow-gray/repeating-floor/rgb")
    for key, members in stored.items():
        with Image.open(imagenet_source / "images" / f"{key}.JPEG") as image:
            gray = np.asarray(image.convert("L").convert("RGB"))
        rows, columns = (np.arange(64) * side // 64 for side in gray.shape[:2])
        np.testing.assert_array_equal(decode_image(members["png"]), gray[rows][:, columns])
    assert len(stored) == 4

    verify = ("verify", str(output), "--pixels", "--regenerate=2", images)
    checked = run(installed, *verify)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    absent = run(installed, *verify, path=str(installed / "nowhere"))
    assert absent.returncode != 0
    assert "pillow-gray" in absent.stdout + absent.stderr


def test_the_decoder_is_listed_and_compared(installed: Path) -> None:
    done = run(installed, "codecs", "--json")
    document = json.loads(done.stdout)
    assert "pillow-gray" in [row["name"] for row in document["decoders"]]
    assert document["distance"]["grayscale"]["pillow-gray"] == {"mean": 0, "maximum": 0}
    assert document["distance"]["4:4:4"]["pillow-gray"]["mean"] > 10


def test_a_broken_one_does_not_stop_the_command(installed: Path) -> None:
    (installed / "repeating.py").write_text("import absent_library\n", "utf-8")
    done = run(installed, "grids", str(installed / "grid.yaml"))
    assert done.returncode == 2
    assert "of sysnoise-gray==1.2 in 'sysnoise.decoders' is left out: No module" in done.stderr
    assert "unknown decoder 'pillow-gray'" in done.stderr
    assert run(installed, "grids", "coco-published").returncode == 0
