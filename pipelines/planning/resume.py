"""What an output already holds, and which of its shards a run has to make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sysnoise.manifests import layout
from sysnoise.manifests.changes import plan_changes
from sysnoise.manifests.files import file_rows
from sysnoise.manifests.manifest import Manifest, read_manifest
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import parse_parquet
from sysnoise.pipelines.errors import OutputError, lines_of, quoted
from sysnoise.pipelines.planning.growth import begin_growth, growth_problems, set_receipts_aside
from sysnoise.pipelines.planning.plan import load_plan, write_plan
from sysnoise.pipelines.planning.receipts import is_committed, read_receipt_if_whole
from sysnoise.pipelines.readers.sources import BATCH_ROWS
from sysnoise.pipelines.storage.commit import remove_file, remove_folder, sweep
from sysnoise.pipelines.storage.listing import file_sizes, list_folder
from sysnoise.pipelines.storage.reading import open_file, read_file, read_in_parallel
from sysnoise.pipelines.storage.root import Root, exists, is_file

_OWN_FILES = (
    layout.MANIFEST,
    layout.SUMS,
    *layout.CARD,
    layout.PART,
    layout.FILES,
    layout.REJECTS,
    layout.SOURCES,
    layout.PLAN,
)
_OWN_FOLDERS = (
    layout.RECEIPTS,
    layout.VARIANTS,
    layout.SAMPLES,
    layout.ANNOTATIONS,
    layout.EARLIER,
    layout.FAILURES,
    layout.STRIKES,
    layout.TEMPORARY,
)


class Existing(Enum):
    """What becomes of a set that the output already holds."""

    RESUME = "resume"
    OVERWRITE = "overwrite"
    RETRY_REJECTS = "retry-rejects"
    GROW = "add-variants"


def refuse_foreign_output(output: Root) -> None:
    """Refuse a file, and a folder of other things than a set, which has a plan.

    What a run leaves that was killed before it had a plan is no such thing, nor are files beside
    those of a set: they are left alone.

    Raises:
        OutputError: with the output's URL.
    """
    try:
        if not exists(output):
            return
        is_folder = not is_file(output)
        names = set(list_folder(output, "")) if is_folder else set()
    except OSError as error:
        raise OutputError(f"listing the output {output.url!r}: {error}") from error
    begun = {layout.SOURCES, layout.TEMPORARY}
    if is_folder and layout.PLAN in names and not _has_plan(output):
        raise OutputError(
            f"the output {output.url!r} holds a {layout.PLAN} that is none, or is damaged; restore "
            "it from a copy, or give another path"
        )
    if not is_folder or not (layout.PLAN in names or names <= begun):
        raise OutputError(
            f"the output {output.url!r} is not an empty folder, nor one that holds a set; give "
            "another path"
        )


def _has_plan(output: Root) -> bool:
    """Whether the file that is called like a plan is one, of whatever version."""
    try:
        document = json.loads(read_file(output, layout.PLAN))
    except ValueError:
        return False
    return isinstance(document, dict) and {"version", "fingerprint"} <= document.keys()


def prepare_output(
    plan: Plan, table: pa.Table, output: Root, existing: Existing, shards: range
) -> list[int]:
    """Write the plan, or check that the output holds it, and say what is left to do.

    Args:
        plan: of this run.
        table: the table of sources.
        output: locked for these shards.
        existing: what becomes of a set that is there.
        shards: the shards of this run.

    Returns:
        The numbers of the shards to make; none of them has a receipt any more.

    Raises:
        OutputError: the output holds the set of another plan; the message says what differs.
    """
    if existing is Existing.OVERWRITE:
        remove_set(output)
    _adopt_plan(plan, table, output, existing)
    if len(shards) < plan.shards:
        refuse_rival(plan, table, output)
    sweep_shards(plan, output, shards)
    sizes = file_sizes(output)
    set_receipts_aside(plan, output, shards, sizes)
    pending = pending_shards(plan, output, shards, sizes, existing)
    if pending:
        remove_file(output, layout.MANIFEST)  # Its presence would mean that the set is complete.
    _remove_traces(plan, output, pending, existing)
    return pending


def _remove_traces(plan: Plan, output: Root, pending: Sequence[int], existing: Existing) -> None:
    """Remove what earlier runs said of shards that are made again.

    Strikes stay, but those of rejects that get another try: their shards have receipts.
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
    """Remove what dead workers left of some shards, or of anything where these are all."""
    names = {plan.shard_name(shard) for shard in shards}
    numbers = {layout.strikes_path(shard).split("/")[-1].split(".")[0] for shard in shards}
    owners = names | numbers
    sweep(output, lambda owner: len(shards) == plan.shards or owner in owners)


def remove_set(output: Root) -> None:
    """Remove a set; the manifest first, and its plan last, by which a broken removal is known."""
    remove_file(output, layout.MANIFEST)
    for folder in _OWN_FOLDERS:
        if folder != layout.TEMPORARY:  # It holds the lock.
            remove_folder(output, folder)
    for path in _OWN_FILES:
        remove_file(output, path)


def _adopt_plan(plan: Plan, table: pa.Table, output: Root, existing: Existing) -> None:
    try:
        stored = load_plan(output)
    except FileNotFoundError:
        write_plan(plan, table, output)
        return
    except OutputError as error:
        raise OutputError(f"{error}, or --overwrite to remove that set") from error
    if stored.fingerprint == plan.fingerprint:
        if not _holds_table(output, table.select(_PLACES)):  # The same images somewhere else.
            remove_file(output, layout.MANIFEST)
            write_plan(plan, table, output)
    elif existing is Existing.GROW:
        begin_growth(stored, plan, output)
        write_plan(plan, table, output)
    else:
        changes = plan_changes(stored, plan)
        if stored.source_sha256 != plan.source_sha256:
            changes = _source_changes(output, table) + changes
        growing = "" if growth_problems(stored, plan) else "--add-variants to grow that set, or "
        raise OutputError(
            f"the output {output.url!r} holds a set of another plan; give another path, {growing}"
            f"--overwrite to remove it (there -> here):\n{lines_of(changes)}"
        )


def refuse_rival(plan: Plan, table: pa.Table, output: Root) -> None:
    """Refuse an output in which another run wrote its plan at the same time.

    The locks of shards leave room for that; the other run, or its workers, find the same.
    """
    if load_plan(output).fingerprint != plan.fingerprint or not _holds_table(output, table):
        raise OutputError(
            f"another run has just written another plan to {output.url!r}; give each plan an output"
        )


_PLACES = ["key", "file", "offset", "size", "row"]
"""Columns of the table of sources that say where images are; a plan vouches for the others."""


def _holds_table(output: Root, table: pa.Table) -> bool:
    """Whether the output has these columns of the table of sources.

    They are read in parts, for the sake of memory.
    """
    start = 0
    try:
        with open_file(output, layout.SOURCES) as opened:
            for batch in pq.ParquetFile(opened).iter_batches(
                BATCH_ROWS, columns=table.column_names
            ):
                part = table.slice(start, batch.num_rows)
                if not pa.Table.from_batches([batch]).equals(part):
                    return False
                start += batch.num_rows
    except (FileNotFoundError, pa.ArrowInvalid):  # Neither is a run's doing.
        return False
    return bool(start == table.num_rows)


def finished_manifest(output: Root) -> Manifest | None:
    """Return the manifest, if the set is finished and has the files that no shard owns."""
    try:
        manifest = read_manifest(read_file(output, layout.MANIFEST))
        table = parse_parquet(read_file(output, layout.FILES))
    except (FileNotFoundError, ValueError):
        return None
    sizes = file_sizes(output)
    if layout.PART in sizes or not {layout.SUMS, *layout.CARD} <= sizes.keys():
        return None
    own = file_rows(table.filter(pc.is_null(table["shard"])))
    return manifest if all(sizes.get(row.path) == row.bytes for row in own) else None


def _source_changes(output: Root, table: pa.Table) -> list[str]:
    stored = parse_parquet(read_file(output, layout.SOURCES), ["key"])
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
    """Return the numbers of those shards that have no receipt of the plan, or not their files.

    Args:
        plan: of the output.
        output: where the receipts are.
        shards: the shards in question.
        sizes: length in bytes of every file of the set, by path.
        existing: with ``RETRY_REJECTS``, shards that hold rejects are pending, too.
    """
    paths = {shard: layout.receipt_path(plan.shard_name(shard)) for shard in shards}
    receipts = set(list_folder(output, layout.RECEIPTS))

    def is_done(path: str) -> bool:
        return path in receipts and _is_done(plan, output, path, sizes, existing)

    done = read_in_parallel(is_done, paths.values())
    return [shard for shard, is_made in zip(shards, done, strict=True) if not is_made]


def _is_done(
    plan: Plan, output: Root, path: str, sizes: Mapping[str, int], existing: Existing
) -> bool:
    """Whether a receipt stands for this plan and for files that are there in their length."""
    receipt = read_receipt_if_whole(read_file(output, path))
    if receipt is None or (existing is Existing.RETRY_REJECTS and receipt.rejects):
        return False
    return is_committed(receipt, plan, sizes)
