"""Damaging finished sets, with and without making their sums fit again."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Members = list[tuple[str, bytes]]
Rows = list[dict[str, Any]]


def truncate(path: Path) -> None:
    """Keep the first half of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def flip_bit(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(one: Path, other: Path) -> None:
    """Give each of two files the other's name."""
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def edit_json(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON document."""
    document = json.loads(path.read_text("utf-8"))
    edit(document)
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def edit_text(path: Path, old: str, new: str) -> None:
    """Replace a text that is there."""
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def edit_tar(path: Path, edit: Callable[[Members], Members]) -> None:
    """Write a tar file again with other members."""
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member)) for member in tar]
        contents = [(name, opened.read()) for name, opened in members if opened]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in edit(contents):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def edit_parquet(path: Path, edit: Callable[[Rows], Rows]) -> None:
    """Write a Parquet file again with other rows."""
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(edit(table.to_pylist()), table.schema), path)


def reseal(folder: Path) -> None:
    """Make files table, receipts, sums and manifest fit the files that are there."""
    sums: dict[str, str] = {}
    rows = pq.read_table(folder / "files.parquet").to_pylist()
    for row in rows:
        data = (folder / (row["same_as"] or row["path"])).read_bytes()
        row["bytes"], row["sha256"] = len(data), hashlib.sha256(data).hexdigest()
        if row["same_as"] is None:
            sums[row["path"]] = row["sha256"]
    edit_parquet(folder / "files.parquet", lambda _: rows)
    by_path = {row["path"]: row for row in rows}
    for path in (folder / "receipts").iterdir():
        edit_json(path, lambda receipt: _fit_receipt(receipt, by_path))
    card = (folder / name for name in ("README.md", "croissant.json", "grid.yaml"))
    for path in (*card, folder / "files.parquet", *(folder / "receipts").iterdir()):
        sums[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = "".join(f"{sums[path]}  {path}\n" for path in sorted(sums))
    (folder / "SHA256SUMS").write_text(lines, "utf-8")
    edit_json(folder / "manifest.json", lambda manifest: _fit_manifest(manifest, folder, rows))


def _fit_receipt(receipt: dict[str, Any], by_path: dict[str, dict[str, Any]]) -> None:
    for row in receipt["files"]:
        if row["path"] in by_path:
            row.update({name: by_path[row["path"]][name] for name in ("bytes", "sha256")})


def _fit_manifest(manifest: dict[str, Any], folder: Path, rows: Rows) -> None:
    data = (folder / "files.parquet").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    manifest["files"].update(bytes=len(data), sha256=sha256)
    stored = [row for row in rows if row["same_as"] is None]
    manifest["counts"]["bytes"] = sum(row["bytes"] for row in stored)
    for variant in manifest["variants"]:
        own = (row["bytes"] for row in stored if row["variant"] == variant["id"])
        variant["bytes"] = sum(own)
    sign(manifest)


def sign(manifest: dict[str, Any]) -> None:
    """Give a manifest the checksum of its content, written out from the schema's description."""
    manifest.pop("checksum")
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    manifest["checksum"] = hashlib.sha256(text.encode("ascii")).hexdigest()
