"""The shards themselves, with the files beside them that timm and DALI ask for."""

from __future__ import annotations

import io
import json
import posixpath
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from sysnoise.manifests.files import FileRow
from sysnoise.manifests.layout import ShardFormat
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.tar_files import read_tar
from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.export.folders import (
    Folders,
    LinkedFiles,
    refuse_other_images,
    shards_of,
)

INFO = "_info.json"
"""The file in which timm looks for the shards of a split and their lengths."""
TIMM_SPLIT = "validation"
"""The name of the split, which is the one that timm's scripts ask for by themselves."""


def fill_timm(tables: SampleTables, folders: Folders) -> None:
    """Write the shards, and the ``_info.json`` of timm's reader of WebDataset.

    Source: timm 1.0, ``timm/data/readers/reader_wds.py``: ``_load_info`` and ``_parse_split_info``.

    Args:
        tables: the tables of samples of the set.
        folders: the new folder of each variant.

    Raises:
        UsageError: the set has no tars, or the evaluators do not read its images.
        SetError: a file of the set is missing or damaged.
        OSError: a file cannot be written.
    """
    refuse_other_images(tables.found)
    for variant, folder in _copied(tables.found, folders):
        shards = _shards_with_samples(tables.found, variant)
        split = {
            "name": TIMM_SPLIT,
            "filenames": [name for name, _ in shards],
            "shard_lengths": [file.samples for _, file in shards],
            "num_samples": sum(file.samples or 0 for _, file in shards),
        }
        text = json.dumps({"splits": {TIMM_SPLIT: split}}, indent=2)
        (folder / INFO).write_text(f"{text}\n", "utf-8")


def fill_dali(tables: SampleTables, folders: Folders) -> None:
    """Write the shards, and beside each the index that DALI's reader of WebDataset takes.

    Args and errors are those of :func:`fill_timm`.
    """
    refuse_other_images(tables.found)
    for variant, folder in _copied(tables.found, folders):
        for name, _ in _shards_with_samples(tables.found, variant):
            path = folder / name
            with path.open("rb") as opened:
                lines = list(index_lines(opened))
            text = "".join(f"{line}\n" for line in (f"v1.2 {len(lines)}", *lines))
            path.with_suffix(".idx").write_text(text, "utf-8")


def index_lines(opened: io.BufferedReader) -> Iterator[str]:
    """Yield the lines of DALI's index of a tar: extension, offset, size and name of each member.

    Source: NVIDIA DALI, ``tools/wds2idx.py``, version ``v1.2`` of the index, which begins with that
    version and the number of samples.
    """
    members = (
        (*member.name.partition(".")[::2], member.offset_data, member.size, member.name)
        for _, member in read_tar(opened)
    )
    for _, sample in groupby(members, key=lambda member: member[0]):
        yield " ".join(" ".join(map(str, member[1:])) for member in sample)


def _copied(found: FinishedSet, folders: Folders) -> Iterator[tuple[str, Path]]:
    """Copy all shards, then yield each variant and its folder."""
    if ShardFormat.WEBDATASET.value not in found.manifest["formats"]:
        raise UsageError(
            f"{found.url!r} has no WebDataset shards; generate it with --format webdataset or both"
        )
    for shard in shards_of(found):
        files = LinkedFiles()
        for variant, folder in folders.items():
            file = found.shard_file(variant, shard)
            if file.samples:
                files.write(folder, posixpath.basename(file.path), found.checked_bytes(file))
    yield from folders.items()


def _shards_with_samples(found: FinishedSet, variant: str) -> list[tuple[str, FileRow]]:
    """Return the names and rows of the shards that hold a sample; readers refuse empty tars."""
    files = (found.shard_file(variant, shard) for shard in range(found.shards))
    return [(posixpath.basename(file.path), file) for file in files if file.samples]
