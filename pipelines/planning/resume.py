"""What an output already holds, and which of its shards a run has to make."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sysnoise.manifests import layout
from sysnoise.manifests.changes import plan_changes
from sysnoise.manifests.files import FILES_SCHEMA, file_rows
from sysnoise.manifests.json_documents import DocumentError, read_document
from sysnoise.manifests.junk import is_junk
from sysnoise.manifests.manifest import Manifest, read_manifest
from sysnoise.manifests.plan import Plan, Positive, Sha256
from sysnoise.manifests.tables import parse_parquet
from sysnoise.pipelines.errors import OutputError, lines_of, quoted
from sysnoise.pipelines.planning.growth import begin_growth, growth_problems, set_receipts_aside
from sysnoise.pipelines.planning.plan import load_plan, write_plan
from sysnoise.pipelines.planning.receipt_check import is_committed
from sysnoise.pipelines.planning.receipts import read_receipt_if_whole
from sysnoise.pipelines.readers.sources import BATCH_ROWS, SourceSet
from sysnoise.pipelines.storage.commit import (
    remove_empty_folders,
    remove_file,
    remove_files,
    sweep,
)
from sysnoise.pipelines.storage.listing import file_sizes, list_folder
from sysnoise.pipelines.storage.reading import open_file, read_file, read_if_there, read_in_parallel
from sysnoise.pipelines.storage.root import Root, exists, is_file

_SET_FILES = (
    layout.MANIFEST,
    layout.SUMS,
    *layout.CARD,
    layout.PART,
    layout.PICTURE,
    layout.FILES,
    layout.REJECTS,
    layout.SOURCES,
    layout.PLAN,
)
"""The files at the root of a set, in the order in which they are removed."""

_SET_FOLDERS = (
    layout.RECEIPTS,
    layout.VARIANTS,
    layout.SAMPLES,
    layout.ANNOTATIONS,
    layout.EARLIER,
    layout.FAILURES,
    layout.STRIKES,
    layout.STAMPS,
)
"""The folders at the root of a set that hold its files, in the order in which they are emptied."""


_SOURCES_BYTES = 1 << 30
"""Longest table of sources that is read whole, in bytes: that of COCO's annotations has 100 MB."""


class Existing(Enum):
    """What becomes of a set that the output already holds."""

    RESUME = "resume"
    OVERWRITE = "overwrite"
    RETRY_REJECTS = "retry-rejects"
    GROW = "add-variants"


def refuse_foreign_output(output: Root) -> None:
    """Refuse an output that is a file, or a folder of other things than a set, which has a plan.

    A folder that holds only what a run leaves that is killed before it writes its plan is accepted,
    and so is one that holds other files beside a set; these stay. Junk is as good as nothing.

    Raises:
        OutputError: the output is not empty and holds no set, or cannot be listed.
    """
    try:
        if not exists(output):
            return
        is_folder = not is_file(output)
        found = list_folder(output, "") if is_folder else []
    except OSError as error:
        raise OutputError(f"listing the output {output.url!r}: {error}") from error
    names = {name for name in found if not is_junk(name)}
    begun = {layout.SOURCES, layout.TEMPORARY}
    if is_folder and layout.PLAN in names and _stored_outline(output) is None:
        raise OutputError(
            f"the output {output.url!r} holds a {layout.PLAN} that is not a plan or is damaged; "
            "restore it from a copy, or give another path"
        )
    if not is_folder or not (layout.PLAN in names or names <= begun):
        raise OutputError(
            f"the output {output.url!r} is not an empty folder, nor one that holds a set; give "
            "another path"
        )


class _PlanOutline(msgspec.Struct, frozen=True):
    """What a plan of any version says that tells which files are its own."""

    version: int
    fingerprint: Sha256
    split: str
    shards: Positive


def _stored_outline(output: Root) -> _PlanOutline | None:
    """Return the outline of the plan of an output; None where it is no plan, or there is none."""
    data = read_if_there(output, layout.PLAN)
    try:
        return None if data is None else read_document(data, _PlanOutline)
    except DocumentError:
        return None


def prepare_output(
    plan: Plan, source: SourceSet, output: Root, existing: Existing, shards: range
) -> list[int]:
    """Write the plan, or check that the output holds it, and return the shards that are to be made.

    Args:
        plan: the plan of this run.
        source: the source images.
        output: the output, which is locked for these shards.
        existing: what becomes of a set that the output already holds.
        shards: the shards of this run.

    Returns:
        The numbers of the shards to make; none of them has a receipt any more.

    Raises:
        OutputError: the output holds a set of another plan; the message says what differs.
    """
    if existing is Existing.OVERWRITE:
        remove_set(output)
    _write_or_check_plan(plan, source, output, existing)
    if len(shards) < plan.shards:
        refuse_concurrent_plan(plan, source, output)
    sweep_shards(plan, output, shards)
    sizes = file_sizes(output)
    set_receipts_aside(plan, output, shards, sizes)
    pending = pending_shards(plan, output, shards, sizes, existing)
    if pending:
        remove_file(output, layout.MANIFEST)  # Its presence would mean that the set is complete.
    _remove_stale_files(plan, output, pending, existing)
    return pending


def _remove_stale_files(
    plan: Plan, output: Root, pending: Sequence[int], existing: Existing
) -> None:
    """Remove receipts, failures and strikes of shards that are made again.

    Strikes stay, except those of rejects that are tried again, whose shards have receipts.
    """
    found = {
        path
        for folder in (layout.RECEIPTS, layout.FAILURES, layout.STRIKES)
        for path in list_folder(output, folder)
    }
    for shard in pending:
        receipt = layout.receipt_path(plan.shard_name(shard))
        stale = {receipt, layout.failure_path(shard)}
        if existing is Existing.RETRY_REJECTS and receipt in found:
            stale.add(layout.strikes_path(shard))
        for path in stale & found:
            remove_file(output, path)


def sweep_shards(plan: Plan, output: Root, shards: range) -> None:
    """Remove the unfinished files of some shards, or all of them where these are all shards."""
    names = {plan.shard_name(shard) for shard in shards}
    numbers = {layout.strikes_path(shard).split("/")[-1].split(".")[0] for shard in shards}
    owners = names | numbers
    sweep(output, lambda owner: len(shards) == plan.shards or owner in owners)


def remove_set(output: Root) -> None:
    """Remove the files that a set's plan names as its own; others stay.

    The manifest is removed first, and the plan, which shows an interrupted removal, last.
    """
    outline = _stored_outline(output)
    remove_file(output, layout.MANIFEST)
    if outline is not None:
        own = _own_names(outline)
        present = file_sizes(output)
        for folder in _SET_FOLDERS:
            below = [path for path in present if path.startswith(f"{folder}/")]
            remove_files(output, [path for path in below if own.fullmatch(path)])
            remove_empty_folders(output, folder)
    for path in _SET_FILES:
        remove_file(output, path)


def _own_names(outline: _PlanOutline) -> re.Pattern[str]:
    """Return the pattern of the paths in the folders of a set, for all grids."""
    total = layout.shard_name(0, outline.shards).partition("-of-")[2]
    name = rf"[0-9]{{{len(total)}}}-of-{total}"
    split = re.escape(outline.split)
    extensions = "|".join(each.extension for each in layout.ShardFormat)
    paths = (
        rf"{layout.VARIANTS}/[^/]+/[^/]+/[^/]+/{split}-{name}\.({extensions})",
        rf"{layout.SAMPLES}/{name}\.parquet",
        rf"({layout.RECEIPTS}|{layout.EARLIER})/{name}\.json",
        rf"{layout.ANNOTATIONS}/instances_{split}\.({'|'.join(layout.GROUND_TRUTHS)})(-at-[^/.]+)?\.json",
        rf"({layout.FAILURES}|{layout.STRIKES})/[0-9]{{5,}}\.json",
        rf"{layout.STAMPS}/[0-9a-f]{{64}}\.parquet",
        re.escape(layout.EARLIER_PLAN),
    )
    return re.compile(rf"({'|'.join(paths)})(\.[0-9a-f]{{32}}\.tmp)?")


def _write_or_check_plan(plan: Plan, source: SourceSet, output: Root, existing: Existing) -> None:
    try:
        stored = load_plan(output)
    except FileNotFoundError:
        write_plan(plan, source, output)
        return
    except OutputError as error:
        raise OutputError(f"{error}, or --overwrite to remove that set") from error
    if stored.fingerprint == plan.fingerprint:
        if not _has_table(output, source):  # The same images somewhere else, or it was changed.
            remove_file(output, layout.MANIFEST)
            write_plan(plan, source, output)
    elif existing is Existing.GROW:
        begin_growth(stored, plan, output)
        write_plan(plan, source, output)
    else:
        changes = plan_changes(stored, plan)
        if stored.source_sha256 != plan.source_sha256:
            changes = _source_changes(output, source.table) + changes
        growing = "" if growth_problems(stored, plan) else "--add-variants to grow that set, "
        resuming = _resuming_text(stored, changes)
        raise OutputError(
            f"the output {output.url!r} holds a set of another plan; {resuming}give another path, "
            f"{growing}or --overwrite to remove it (there -> here):\n{lines_of(changes)}"
        )


_OPTIONS = ("samples_per_shard", "image_format", "max_pixels", "max_bytes")
"""The fields of a plan that an option of the same name sets."""


def _resuming_text(stored: Plan, changes: Sequence[str]) -> str:
    """Say with which options a run resumes the set of a plan, where options are all that differ."""
    names = [change.partition(":")[0] for change in changes]
    if not {*names} <= {*_OPTIONS}:
        return ""
    options = " ".join(
        f"--{name.replace('_', '-')} {getattr(stored, name)}" for name in _OPTIONS if name in names
    )
    return f"give {options} to resume it, "


def refuse_concurrent_plan(plan: Plan, source: SourceSet, output: Root) -> None:
    """Refuse an output in which another run wrote its plan at the same time.

    The locks of shards allow that; the other run, or its workers, find out in the same way.
    """
    if load_plan(output).fingerprint != plan.fingerprint or not _has_table(output, source):
        raise OutputError(
            f"another run has just written another plan to {output.url!r}; give each plan an output"
        )


def _has_table(output: Root, source: SourceSet) -> bool:
    """Whether the output has the table of these sources.

    Both are read in parts, to save memory.
    """
    start = 0
    try:
        with open_file(output, layout.SOURCES) as opened:
            for batch in pq.ParquetFile(opened).iter_batches(BATCH_ROWS):
                part = source.rows(start, start + batch.num_rows)
                if not pa.Table.from_batches([batch]).equals(part):
                    return False
                start += batch.num_rows
    except (FileNotFoundError, pa.ArrowException):  # A run leaves neither behind.
        return False
    return bool(start == source.table.num_rows)


def finished_manifest(plan: Plan, output: Root) -> Manifest | None:
    """Return the manifest, if the set of a plan is finished, with the files that no shard owns."""
    try:
        manifest = read_manifest(read_file(output, layout.MANIFEST))
        data = read_file(output, layout.FILES)
        table = parse_parquet(data)
    except (FileNotFoundError, ValueError, pa.ArrowException):
        return None
    is_its_own = (
        manifest["plan"]["fingerprint"] == plan.fingerprint
        and manifest["files"]["sha256"] == hashlib.sha256(data).hexdigest()
        and table.schema.equals(FILES_SCHEMA)
    )
    if not is_its_own:
        return None
    sizes = file_sizes(output)
    if layout.PART in sizes or not {layout.SUMS, *layout.CARD} <= sizes.keys():
        return None
    own = file_rows(table.filter(pc.is_null(table["shard"])))
    return manifest if all(sizes.get(row.path) == row.bytes for row in own) else None


def _source_changes(output: Root, table: pa.Table) -> list[str]:
    stored = parse_parquet(read_file(output, layout.SOURCES, _SOURCES_BYTES), ["key"])
    before, after = stored["key"], table["key"]
    gone = before.filter(pc.invert(pc.is_in(before, value_set=after.combine_chunks())))
    new = after.filter(pc.invert(pc.is_in(after, value_set=before.combine_chunks())))
    changes = [
        f"{len(keys)} image(s) {what}: {quoted(keys.to_pylist())}"
        for what, keys in (("gone from the source", gone), ("new in the source", new))
        if len(keys)
    ]
    return changes or ["names, labels or annotations of the source images differ"]


def pending_shards(
    plan: Plan, output: Root, shards: range, sizes: Mapping[str, int], existing: Existing
) -> list[int]:
    """Return the numbers of the shards that lack a receipt of the plan or a file that it names.

    Args:
        plan: the plan of the output.
        output: the output that holds the receipts.
        shards: the shards in question.
        sizes: length in bytes of every file of the set, by path.
        existing: with ``RETRY_REJECTS``, shards that hold rejects are pending too.
    """
    receipts = set(list_folder(output, layout.RECEIPTS))

    def is_done(shard: int) -> bool:
        path = layout.receipt_path(plan.shard_name(shard))
        if path not in receipts:
            return False
        receipt = read_receipt_if_whole(read_file(output, path))
        if receipt is None or (existing is Existing.RETRY_REJECTS and receipt.rejects):
            return False
        return is_committed(receipt, plan, shard, sizes)

    done = read_in_parallel(is_done, shards)
    return [shard for shard, is_made in zip(shards, done, strict=True) if not is_made]
