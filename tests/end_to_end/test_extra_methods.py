"""Sets of the methods of extras, through the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysnoise.transforms.codecs.decoders import DECODERS
from sysnoise.transforms.resizers import RESIZES
from tests.end_to_end.commands import command, generate

pytestmark = pytest.mark.extras

EXTRA_DECODERS = [name for name, method in DECODERS.items() if method.extra]
EXTRA_RESIZES = [name for name, method in RESIZES.items() if method.extra]


@pytest.fixture(scope="module")
def options(
    imagenet_source: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str | Path | None]:
    """Two photographs in every method of an extra, one photograph a shard."""
    grid = tmp_path_factory.mktemp("grid") / "grid.yaml"
    grid.write_text(
        f"decoders: [pillow, {', '.join(EXTRA_DECODERS)}]\n"
        f"resizes: [pillow-bilinear, {', '.join(EXTRA_RESIZES)}]\n"
        "colors: [rgb]\ngeometry: shorter256-crop224\ncombine: one-factor\n",
        "utf-8",
    )
    return {
        "images": imagenet_source / "images",
        "label-file": imagenet_source / "val.txt",
        "grid": grid,
        "limit": "2",
        "samples-per-shard": "1",
    }


def test_any_number_of_workers_makes_the_same_bytes(
    options: dict[str, str | Path | None], tmp_path: Path
) -> None:
    for workers in (1, 2):
        output = tmp_path / str(workers)
        done = generate("imagenet", {**options, "workers": str(workers), "output": output})
        assert done.code == 0, done.error
    one, two = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.tar")}
        for folder in (tmp_path / "1", tmp_path / "2")
    )
    assert len(one) == 2 * (1 + len(EXTRA_DECODERS) + len(EXTRA_RESIZES))
    assert one == two
    sums = [(tmp_path / name / "SHA256SUMS").read_text("utf-8") for name in ("1", "2")]
    assert sums[0] == sums[1]

    images = options["images"]
    done = command(
        *("verify", str(tmp_path / "1"), "--pixels", "--regenerate=1", f"--images={images}")
    )
    assert done.code == 0, done.error
