"""Exporting variants of a finished set into folders, each of which appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sysnoise.manifests.json_documents import DocumentError, json_bytes, parse_json
from sysnoise.manifests.layout import variant_slug
from sysnoise.manifests.reading import FinishedSet, open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import OutputError, UsageError, unwritable
from sysnoise.pipelines.export.boxes import fill_coco, fill_yolo
from sysnoise.pipelines.export.class_folders import fill_class_folders
from sysnoise.pipelines.export.folders import Folders
from sysnoise.pipelines.export.tars import fill_dali, fill_timm
from sysnoise.pipelines.storage.commit import refuse_inside, sweep, working_folder
from sysnoise.pipelines.storage.locks import lock_shards
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import Root, exists, is_local, open_output
from sysnoise.transforms.methods import unknown_name

RECORD = "export.json"
"""The file of an exported folder that says which set, variant and layout it is of."""
_OWNER = "export"
"""The owner of the folders that are being made."""


class ExportLayout(Enum):
    """How the folder of a variant is laid out; the value is what users type."""

    IMAGEFOLDER = "imagefolder"
    COCO = "coco"
    YOLO = "yolo"
    TIMM_WDS = "timm-wds"
    DALI = "dali"


@dataclass(frozen=True)
class ExportedVariant:
    """A folder that was asked for.

    Attributes:
        path: where it is.
        samples: number of its samples.
        is_new: whether this run made it; else an earlier one has.
    """

    path: str
    samples: int
    is_new: bool

    def summary(self) -> str:
        """Return one line for the terminal."""
        there = "" if self.is_new else ", which were there already"
        return f"{self.path}: {self.samples} images{there}"


_FILLERS: Mapping[ExportLayout, Callable[[SampleTables, Folders], None]] = {
    ExportLayout.IMAGEFOLDER: fill_class_folders,
    ExportLayout.COCO: fill_coco,
    ExportLayout.YOLO: fill_yolo,
    ExportLayout.TIMM_WDS: fill_timm,
    ExportLayout.DALI: fill_dali,
}

_KINDS: Mapping[ExportLayout, DatasetKind] = {
    ExportLayout.IMAGEFOLDER: DatasetKind.IMAGENET,
    ExportLayout.COCO: DatasetKind.COCO,
    ExportLayout.YOLO: DatasetKind.COCO,
    ExportLayout.TIMM_WDS: DatasetKind.IMAGENET,
}
"""The kind of set that a layout is for; DALI's reader takes both."""


def export(
    url: str, layout: ExportLayout, variants: Sequence[str], target_url: str
) -> list[ExportedVariant]:
    """Write variants of a finished set into one folder each, named by the variant's slug.

    Folders that an earlier run has finished stay. Files that are the same in several variants are
    hard links to one.

    Args:
        url: path or fsspec URL of the set.
        layout: how the folders are laid out.
        variants: ids of the variants.
        target_url: path of the folder that they are made in, outside of the set.

    Returns:
        The folders, in the order of the variants.

    Raises:
        SetError: it is no finished set, does not hold a variant, or a file is missing or damaged.
        InputError: its labels do not fit the layout.
        UsageError: it has no such variant, or is of another kind than the layout.
        OutputError: the target is remote, holds something else, or cannot be written.
    """
    found = open_set(url)
    target = _target(found, target_url)
    chosen = _checked_variants(found, layout, variants)
    with lock_shards(target, None):
        sweep(target, lambda owner: owner == _OWNER)
        missing = [each for each in chosen if not _is_there(target, found, layout, each)]
        if missing:
            _make(found, layout, missing, target)
    samples = found.manifest["counts"]["samples"]
    return [
        ExportedVariant(target.child(variant_slug(each)), samples, each in missing)
        for each in chosen
    ]


def _target(found: FinishedSet, url: str) -> Root:
    target = open_output(url)
    if not is_local(target):
        raise OutputError(
            f"the target {url!r} is remote, where no such evaluator reads; give a path"
        )
    refuse_inside(found.url, url)
    return target


def _checked_variants(
    found: FinishedSet, layout: ExportLayout, variants: Sequence[str]
) -> list[str]:
    """Return the variants, each once, where the set has them and the layout is for it."""
    kind = DatasetKind(found.manifest["dataset"]["kind"])
    if _KINDS.get(layout, kind) is not kind:
        fitting = [each.value for each in ExportLayout if _KINDS.get(each, kind) is kind]
        raise UsageError(
            f"{found.url!r} is a set of {kind.value}, and {layout.value} is not for such; choose "
            f"among {', '.join(fitting)}"
        )
    for variant in variants:
        if variant not in found.variants:
            raise UsageError(unknown_name("variant", variant, found.variants))
        found.shard_file(variant, 0)  # Raises where its images are not held.
    return list(dict.fromkeys(variants))


def _is_there(target: Root, found: FinishedSet, layout: ExportLayout, variant: str) -> bool:
    """Whether the target has the folder of a variant.

    Raises:
        OutputError: it has another folder or file of that name.
    """
    slug = variant_slug(variant)
    if not exists(target, slug):
        return False
    try:
        data = read_if_there(target, f"{slug}/{RECORD}")
        record = None if data is None else parse_json(data)
    except (OSError, DocumentError):
        record = None
    files = record.pop("files", None) if isinstance(record, dict) else None
    if record != _record(found, layout, variant):
        raise OutputError(
            f"{target.child(slug)!r} is there already and holds something else than this variant "
            f"as {layout.value}; give another --to, or remove it first"
        )
    present = _count_files(Path(target.path, slug)) - 1  # Without the record itself.
    if present != files:
        raise OutputError(
            f"{target.child(slug)!r} has {present} files, and {files} were written; remove the "
            "folder and export again"
        )
    return True


def _count_files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def _record(found: FinishedSet, layout: ExportLayout, variant: str) -> dict[str, str]:
    checksum = found.manifest["checksum"]
    return {"set": checksum, "variant": variant, "layout": layout.value}


def _make(found: FinishedSet, layout: ExportLayout, variants: Sequence[str], target: Root) -> None:
    """Make the folders of variants beside the target's own, and move them there as a whole."""
    try:
        with working_folder(target, _OWNER) as working:
            folders = {each: Path(working, variant_slug(each)) for each in variants}
            for folder in folders.values():
                folder.mkdir()
            _FILLERS[layout](SampleTables(found), folders)
            for variant, folder in folders.items():
                record = {**_record(found, layout, variant), "files": _count_files(folder)}
                (folder / RECORD).write_bytes(json_bytes(record))
            if hasattr(os, "sync"):  # A folder that is there after a power cut has its files.
                os.sync()
            for folder in folders.values():
                folder.rename(Path(target.path, folder.name))
    except OSError as error:
        raise unwritable(f"writing {error.filename or target.url!r}", error) from error
