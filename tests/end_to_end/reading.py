"""Reading finished sets without the project's own readers."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from sysnoise.transforms.pixels import Pixels

if TYPE_CHECKING:
    from sysnoise.transforms.grid import Grid

Members = dict[str, dict[str, bytes]]


def tree(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shards(output: Path, variant_id: str, extension: str) -> list[Path]:
    """Return the shard files of a variant, in order."""
    return sorted((output / "variants" / variant_id).glob(f"*.{extension}"))


def read_tars(output: Path, variant_id: str) -> Members:
    """Return the members of a variant's samples by key and extension, in stored order."""
    samples: Members = {}
    for path in shards(output, variant_id, "tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                key, extension = member.name.split(".", 1)
                opened = tar.extractfile(member)
                assert opened is not None
                samples.setdefault(key, {})[extension] = opened.read()
    return samples


def decode_image(data: bytes) -> Pixels:
    """Decode a stored PNG or WebP with Pillow."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def samples_table(output: Path) -> list[dict[str, Any]]:
    """Return the rows of all samples tables, in key order."""
    rows: list[dict[str, Any]] = []
    for path in sorted((output / "samples").glob("*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows


def manifest(output: Path) -> dict[str, Any]:
    """Return the parsed manifest."""
    return dict(json.loads((output / "manifest.json").read_text("utf-8")))


def digest(pixels: Pixels) -> bytes:
    """Return the pixel digest, written out from the design."""
    height, width, _ = pixels.shape
    return hashlib.sha256(f"uint8 {height} {width} 3\n".encode() + pixels.tobytes()).digest()


def assert_paired_and_digested(output: Path, grid: Grid) -> None:
    """Check that all variants hold the same keys in one order, with the pixels of the digests."""
    rows = {row["key"]: row for row in samples_table(output) if row["status"] == "ok"}
    assert list(rows) == sorted(rows)
    for variant in grid.variants:
        samples = read_tars(output, variant.id)
        assert list(samples) == list(rows)
        for key, members in samples.items():
            assert digest(decode_image(members["png"])) == rows[key][variant.slug]


def assert_sums_hold(output: Path) -> None:
    """Check every line of SHA256SUMS, that no file is missing there, and the files table."""
    found = tree(output)
    lines = (output / "SHA256SUMS").read_text("utf-8").splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    assert sums == {
        path: value for path, value in found.items() if path not in ("SHA256SUMS", "manifest.json")
    }
    assert manifest(output)["files"]["sha256"] == found["files.parquet"]
    for row in pq.read_table(output / "files.parquet").to_pylist():
        assert row["sha256"] == found[row["path"]]
        assert row["bytes"] == (output / row["path"]).stat().st_size
