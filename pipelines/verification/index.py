"""Checking the index of a set: its manifest, its files table, and stray files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sysnoise.manifests import layout
from sysnoise.manifests.bounded import without_file
from sysnoise.manifests.files import FILES_SCHEMA, FileRow, file_rows
from sysnoise.manifests.json_documents import DocumentError, parse_json
from sysnoise.manifests.layout import variant_slug
from sysnoise.manifests.manifest import Manifest, NamedFile, manifest_checksum, variant_methods
from sysnoise.manifests.plan import (
    MOST_VARIANTS,
    Plan,
    grid_size,
    grid_variants,
    read_plan,
    shard_count,
)
from sysnoise.manifests.schema import manifest_problems
from sysnoise.manifests.tables import DatasetKind, parse_parquet
from sysnoise.pipelines.errors import InputError, lines_of, quoted
from sysnoise.pipelines.storage.reading import read_file, read_if_there
from sysnoise.pipelines.storage.root import Root
from sysnoise.pipelines.verification.checked_file import (
    CheckedFile,
    ContentError,
    FileProblem,
    checked_file,
    collected,
    unreadable_file,
)
from sysnoise.pipelines.verification.facts import SetFacts, manifest_facts
from sysnoise.pipelines.verification.receipts import shard_paths
from sysnoise.pipelines.verification.single_file import byte_messages
from sysnoise.transforms.digests import canonical_sha256
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY, OPTIONAL_AXES, variant_id

_NEVER_NULL = ("path", "format", "bytes", "sha256")


def check_manifest(root: Root) -> tuple[Manifest | None, CheckedFile]:
    """Read the manifest and compare it with its schema, its checksum and itself.

    Returns:
        The manifest, None if it cannot be used; and the checked file.
    """
    try:
        data = read_file(root, layout.MANIFEST)
    except OSError as error:
        return None, unreadable_file(layout.MANIFEST, error)
    read: list[Manifest] = []
    messages = collected(_manifest_messages(data, read))
    return read[0] if read else None, checked_file(layout.MANIFEST, data, messages)


def _manifest_messages(data: bytes, read: list[Manifest]) -> Iterator[str]:
    """Yield what is wrong with a manifest, and append it to ``read`` if it can be used."""
    try:
        document = parse_json(data)
    except DocumentError as error:
        raise ContentError(str(error)) from error
    departures = manifest_problems(document)
    yield from (f"does not follow its schema: {departure}" for departure in departures)
    stated = document.get("checksum") if isinstance(document, dict) else None
    if stated is not None and stated != manifest_checksum(document):
        yield (
            f"was edited: its checksum is {stated}, that of its content "
            f"{manifest_checksum(document)}"
        )
    if not departures:
        contradictions = list(_contradictions(document))
        yield from contradictions
        if not contradictions:
            read.append(document)


def _contradictions(manifest: Manifest) -> Iterator[str]:
    """Yield how a manifest contradicts itself in what the names of files depend on."""
    grid, counts = manifest["grid"], manifest["counts"]
    if max(grid_size(grid), len(manifest["variants"])) > MOST_VARIANTS:
        yield f"has more than {MOST_VARIANTS} variants"
        return
    ids = [variant["id"] for variant in manifest["variants"]]
    if ids != [*grid_variants(grid)]:
        yield "lists other variants than its grid has, or in another order"
    if grid["baseline"] not in ids:
        yield f"its baseline {grid['baseline']!r} is none of its variants"
    expected = shard_count(counts["sources"], manifest["plan"]["samples_per_shard"])
    if counts["shards"] != expected:
        yield f"counts {counts['shards']} shards, its sources fill {expected}"
    content = {name: value for name, value in grid.items() if name not in ("name", "fingerprint")}
    if grid["fingerprint"] != canonical_sha256(content):
        yield "gives its grid another fingerprint than that has"
    for variant in manifest["variants"]:
        methods = {axis: each["name"] for axis, each in variant_methods(variant).items()}
        geometry = variant.get("geometry", FIRST_GEOMETRY)
        own_id = variant_id({**OPTIONAL_AXES, **methods, "geometry": geometry})
        if (variant["slug"], own_id) != (variant_slug(variant["id"]), variant["id"]):
            yield f"gives {variant['id']!r} another slug, or other methods"


def check_files_table(
    root: Root, facts: SetFacts, said: NamedFile | None
) -> tuple[list[FileRow] | None, CheckedFile]:
    """Read the files table and compare it with what the manifest says.

    Args:
        root: the root of the set.
        facts: what the set says of itself.
        said: length and sha256 of the table; None where they are not known.

    Returns:
        The rows, None if the table has other bytes than the manifest says, or cannot be used; and
        the checked file.
    """
    try:
        data = read_file(root, layout.FILES)
    except OSError as error:
        return None, unreadable_file(layout.FILES, error)
    messages = []
    if said is not None:
        sha256 = hashlib.sha256(data).hexdigest()
        messages = byte_messages(said["bytes"], said["sha256"], len(data), sha256)
    is_stated = not messages
    rows: list[FileRow] = []
    messages += collected(_rows_messages(data, facts, rows))
    return rows if is_stated and rows else None, checked_file(layout.FILES, data, messages)


def _rows_messages(data: bytes, facts: SetFacts, rows: list[FileRow]) -> Iterator[str]:
    """Append the rows of a files table to ``rows``, and yield what is wrong with them."""
    table = parse_parquet(data, FILES_SCHEMA.names)
    if not table.schema.equals(FILES_SCHEMA):
        raise ContentError("its columns are of other types than those of a files table")
    empty = [name for name in _NEVER_NULL if table[name].null_count]
    if empty:
        raise ContentError(f"it has rows without {quoted(empty)}")
    needed = facts.shards * facts.files_per_shard
    if needed > 2 * table.num_rows:  # The loops below are no longer than this table.
        raise ContentError(
            f"it has {table.num_rows} rows, {facts.shards} shards of {len(facts.variants)} "
            f"variants need {needed}"
        )
    rows += file_rows(table)
    paths = [row.path for row in rows]
    yield from _layout_messages(facts, rows)
    yield from _same_as_messages(rows)
    if paths != sorted(paths):
        yield "is not sorted by path"


def read_index(root: Root) -> tuple[Manifest, list[FileRow]]:
    """Return the manifest and the rows of the files table of a set, after checking both.

    Raises:
        InputError: there is no finished set, or its index is damaged.
    """
    try:
        is_missing = read_if_there(root, layout.MANIFEST) is None
    except OSError as error:
        raise InputError(f"reading {root.child(layout.MANIFEST)!r}: {error}") from error
    if is_missing:
        raise InputError(
            without_file(root.fs, root.path, root.url, layout.MANIFEST, "a finished set")
        )
    manifest, first = check_manifest(root)
    rows, problems = None, list(first.problems)
    if manifest is not None:
        rows, second = check_files_table(root, manifest_facts(manifest), manifest["files"])
        problems += second.problems
    if manifest is None or rows is None or problems:
        lines = [f"{problem.path}: {problem.message}" for problem in problems]
        raise InputError(f"the index of {root.url!r} is damaged:\n{lines_of(lines)}")
    return manifest, rows


def _layout_messages(facts: SetFacts, rows: Sequence[FileRow]) -> Iterator[str]:
    """Compare the files that the table names with those of the manifest's variants and shards."""
    expected = dict(expected_files(facts))
    found = {row.path: (row.variant, row.shard, row.format) for row in rows}
    absent = [path for path in expected if path not in found]
    foreign = [path for path in found if path not in expected]
    other = [path for path in found if path in expected and found[path] != expected[path]]
    twice = [path for path, count in Counter(row.path for row in rows).items() if count > 1]
    for text, paths in (
        ("lacks the rows of", absent),
        ("names files that the manifest has no place for", foreign),
        ("gives another variant, shard or format to", other),
        ("has more than one row of", twice),
    ):
        if paths:
            yield f"{text}: {quoted(paths)}"


def expected_files(facts: SetFacts) -> Iterator[tuple[str, tuple[str | None, int | None, str]]]:
    """Yield path, variant, shard and format of every file that a set has, except its index."""
    for shard in range(facts.shards):
        *paths, samples = shard_paths(facts, shard)
        owners = ((variant, fmt.value) for fmt in facts.formats for variant in facts.variants)
        for path, (variant, shard_format) in zip(paths, owners, strict=True):
            yield path, (variant, shard, shard_format)
        yield samples, (None, shard, "samples")
    for path in (layout.PLAN, layout.SOURCES, layout.REJECTS):
        yield path, (None, None, path.split(".")[0])
    if facts.kind is DatasetKind.COCO:
        for name in layout.ground_truths(facts.geometries):
            yield layout.annotations_path(facts.split, name), (None, None, "annotations")


def _same_as_messages(rows: Sequence[FileRow]) -> Iterator[str]:
    stored = {row.path: row for row in rows if row.same_as is None}
    for row in rows:
        if row.same_as is None:
            continue
        holder = stored.get(row.same_as)
        if holder is None or _content(holder) != _content(row):
            yield f"says that {row.path!r} is the same as {row.same_as!r}, which is not so"


def _content(row: FileRow) -> tuple[object, ...]:
    """Return what two rows have in common whose files have the same bytes."""
    return row.shard, row.format, row.samples, row.bytes, row.sha256


def count_messages(manifest: Manifest, rows: Sequence[FileRow]) -> list[str]:
    """Compare the numbers of the manifest with each other and with the files table."""
    counts: Mapping[str, Any] = manifest["counts"]
    variants, formats = len(manifest["variants"]), len(manifest["formats"])
    stored = [row for row in rows if row.same_as is None]
    found = {
        "sources": counts["samples"] + counts["rejects"],
        "variants": variants,
        "images": counts["samples"] * variants * formats,
        "files": len(stored),
        "bytes": sum(row.bytes for row in stored),
        "shards": len({row.shard for row in rows if row.shard is not None}),
    }
    messages = [
        f"counts {counts[name]} {name}, the files have {number}"
        for name, number in found.items()
        if counts[name] != number
    ]
    return [*messages, *_variant_count_messages(manifest, rows)]


def _variant_count_messages(manifest: Manifest, rows: Sequence[FileRow]) -> Iterator[str]:
    totals: dict[str, Counter[str]] = {each["id"]: Counter() for each in manifest["variants"]}
    for row in rows:
        if row.variant in totals:
            totals[row.variant]["samples"] += row.samples or 0
            if row.same_as is None:
                totals[row.variant] += Counter(files=1, bytes=row.bytes)
    for variant in manifest["variants"]:
        total = totals[variant["id"]]
        if manifest["formats"]:
            total["samples"] //= len(manifest["formats"])
        else:
            total["samples"] = manifest["counts"]["samples"]
        for name in ("samples", "files", "bytes"):
            if variant[name] != total[name]:
                counted = f"counts {variant[name]} {name} of {variant['id']}"
                yield f"{counted}, the files have {total[name]}"
        if variant["samples"] != manifest["counts"]["samples"]:
            yield f"counts {variant['samples']} samples of {variant['id']}, but not of the set"


def read_set_plan(data: bytes, manifest: Manifest) -> Plan:
    """Read the plan of a set.

    Raises:
        DocumentError: it is not a plan, was edited, or is not the one that the manifest names.
    """
    plan = read_plan(data)
    planned = manifest["plan"]["fingerprint"]
    if plan.fingerprint != planned:
        raise DocumentError(
            f"is another plan: its fingerprint is {plan.fingerprint}, the manifest's {planned}"
        )
    return plan


def stray_problems(present: Collection[str], named_files: Collection[str]) -> list[FileProblem]:
    """Return the files that are there but belong to no set.

    Args:
        present: paths of all files below the root.
        named_files: paths that the set names, index included.
    """
    problems = []
    for path in present:
        if path in named_files or path.startswith("."):  # The folders of git and of Hugging Face.
            continue
        if path.split("/")[0] in layout.RUN_FOLDERS or path.endswith(".tmp"):
            problems.append(FileProblem(path, "was left over by a run; delete it"))
        else:
            problems.append(FileProblem(path, "is not a file of this set; delete or move it"))
    return problems
