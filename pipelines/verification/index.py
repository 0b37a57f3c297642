"""Checking the index of a set: its manifest, files table, plan and sums, and stray files."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sysnoise.manifests import layout
from sysnoise.manifests.files import FILES_SCHEMA, FileRow, file_rows
from sysnoise.manifests.json_documents import DocumentError, parse_json
from sysnoise.manifests.layout import ShardFormat, shard_name
from sysnoise.manifests.manifest import Manifest, manifest_checksum
from sysnoise.manifests.plan import Plan, read_plan
from sysnoise.manifests.schema import manifest_problems
from sysnoise.manifests.tables import DatasetKind, parse_parquet
from sysnoise.pipelines.errors import InputError, lines_of, quoted
from sysnoise.pipelines.storage.reading import read_file, read_if_there
from sysnoise.pipelines.storage.root import Root
from sysnoise.pipelines.verification.checked_file import (
    CheckedFile,
    FileProblem,
    checked_file,
    unreadable_file,
)
from sysnoise.pipelines.verification.single_file import byte_messages

_SUM = re.compile("([0-9a-f]{64})  (.+)")

_NEVER_NULL = ("path", "format", "bytes", "sha256")


def check_manifest(root: Root) -> tuple[Manifest | None, CheckedFile]:
    """Read the manifest and compare it with its schema and its checksum.

    Returns:
        The manifest, None if it cannot be used; and the checked file.
    """
    try:
        data = read_file(root, layout.MANIFEST)
    except OSError as error:
        return None, unreadable_file(layout.MANIFEST, error)
    try:
        document = parse_json(data)
    except DocumentError as error:
        return None, checked_file(layout.MANIFEST, data, [str(error)])
    departures = manifest_problems(document)
    messages = [f"does not follow its schema: {departure}" for departure in departures]
    stated = document.get("checksum") if isinstance(document, dict) else None
    if stated is not None and stated != manifest_checksum(document):
        messages.append(
            f"was edited: its checksum is {stated}, that of its content "
            f"{manifest_checksum(document)}"
        )
    return None if departures else document, checked_file(layout.MANIFEST, data, messages)


def check_files_table(root: Root, manifest: Manifest) -> tuple[list[FileRow] | None, CheckedFile]:
    """Read the files table and compare it with the manifest.

    Returns:
        The rows, None if the table cannot be used; and the checked file.
    """
    try:
        data = read_file(root, layout.FILES)
    except OSError as error:
        return None, unreadable_file(layout.FILES, error)
    said = manifest["files"]
    sha256 = hashlib.sha256(data).hexdigest()
    messages = byte_messages(said["bytes"], said["sha256"], len(data), sha256)
    try:
        table = parse_parquet(data, FILES_SCHEMA.names).cast(FILES_SCHEMA)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        return None, checked_file(layout.FILES, data, [*messages, f"cannot be read: {error}"])
    empty = [name for name in _NEVER_NULL if table[name].null_count]
    if empty:
        return None, checked_file(
            layout.FILES, data, [*messages, f"has rows without {quoted(empty)}"]
        )
    rows = list(file_rows(table))
    messages += [*_layout_messages(manifest, rows), *_same_as_messages(rows)]
    return rows, checked_file(layout.FILES, data, messages)


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
        raise InputError(f"{root.url!r} is not a finished set: it has no {layout.MANIFEST}")
    manifest, first = check_manifest(root)
    rows, problems = None, list(first.problems)
    if manifest is not None:
        rows, second = check_files_table(root, manifest)
        problems += second.problems
    if manifest is None or rows is None or problems:
        lines = [f"{problem.path}: {problem.message}" for problem in problems]
        raise InputError(f"the index of {root.url!r} is damaged:\n{lines_of(lines)}")
    return manifest, rows


def _layout_messages(manifest: Manifest, rows: Sequence[FileRow]) -> Iterator[str]:
    """Compare the files that the table names with those of the manifest's variants and shards."""
    expected = dict(_expected_files(manifest))
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


def _expected_files(
    manifest: Manifest,
) -> Iterator[tuple[str, tuple[str | None, int | None, str]]]:
    """Yield path, variant, shard and format of every file that a set of this manifest has."""
    split = manifest["dataset"]["split"]
    shards = manifest["counts"]["shards"]
    for shard in range(shards):
        name = shard_name(shard, shards)
        yield layout.samples_path(name), (None, shard, "samples")
        for variant in manifest["variants"]:
            for value in manifest["formats"]:
                path = layout.variant_path(variant["id"], split, name, ShardFormat(value))
                yield path, (variant["id"], shard, value)
    for path in (layout.PLAN, layout.SOURCES, layout.REJECTS):
        yield path, (None, None, path.split(".")[0])
    if manifest["dataset"]["kind"] == DatasetKind.COCO.value:
        for kind in layout.GROUND_TRUTHS:
            yield layout.annotations_path(split, kind), (None, None, "annotations")


def _same_as_messages(rows: Sequence[FileRow]) -> Iterator[str]:
    stored = {row.path: row for row in rows if row.same_as is None}
    for row in rows:
        if row.same_as is None:
            continue
        holder = stored.get(row.same_as)
        if holder is None or (holder.bytes, holder.sha256) != (row.bytes, row.sha256):
            yield f"says that {row.path!r} is the same as {row.same_as!r}, which is not so"


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


def plan_messages(data: bytes, manifest: Manifest) -> list[str]:
    """Compare the plan with its own fingerprint, and with the one in the manifest."""
    try:
        read_set_plan(data, manifest)
    except DocumentError as error:
        return [str(error)]
    return []


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


def parse_sums(data: bytes) -> dict[str, str]:
    """Return sha256 by path from the lines of ``SHA256SUMS`` that ``sha256sum`` reads."""
    matches = map(_SUM.fullmatch, data.decode("utf-8", "replace").splitlines())
    return {match[2]: match[1] for match in matches if match}


def sums_messages(data: bytes, sums: Mapping[str, str], others: Sequence[str]) -> list[str]:
    """Compare ``SHA256SUMS`` with what the set says.

    Args:
        data: the content of the file.
        sums: the sha256 that the file must give, by path.
        others: paths that the file must name too.
    """
    found = parse_sums(data)
    lines = data.decode("utf-8", "replace").splitlines()
    bad = [line for line in lines if not _SUM.fullmatch(line)]
    expected = {*sums, *others}
    messages = [
        f"{text}: {quoted(names)}"
        for text, names in (
            ("has lines that sha256sum does not read", bad),
            ("lacks", sorted(expected - found.keys())),
            ("names files that are not of this set", sorted(found.keys() - expected)),
        )
        if names
    ]
    return messages + [
        f"gives {path!r} the sha256 {found[path]}, expected {sha256}"
        for path, sha256 in sums.items()
        if found.get(path, sha256) != sha256
    ]
