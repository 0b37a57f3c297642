"""The files of a set whose manifest or files table is damaged: what else says which they are.

One damaged file must not hide what is wrong with the others. The plan says the same as the manifest
of what the files are named, and the receipts and ``SHA256SUMS`` the same as the files table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sysnoise.manifests import layout
from sysnoise.manifests.files import FileRow
from sysnoise.manifests.json_documents import DocumentError, read_document
from sysnoise.manifests.layout import receipt_path, shard_name
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.part import Part
from sysnoise.manifests.plan import Plan, read_plan
from sysnoise.pipelines.planning.receipts import read_receipt
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.pipelines.verification.checked_file import CheckedFile
from sysnoise.pipelines.verification.checked_set import SetIndex
from sysnoise.pipelines.verification.facts import SetFacts, manifest_facts, plan_facts
from sysnoise.pipelines.verification.index import (
    check_files_table,
    check_manifest,
    expected_files,
)
from sysnoise.pipelines.verification.receipts import shard_paths
from sysnoise.pipelines.verification.single_file import UNKNOWN_LENGTH
from sysnoise.pipelines.verification.sums import parse_sums
from sysnoise.transforms.variant_ids import is_variant_id


def sound_plan(root: Root, present: frozenset[str]) -> Plan | None:
    """Return the plan of a set; None where it cannot be used, which its own check reports."""
    if layout.PLAN not in present:
        return None
    try:
        plan = read_plan(read_file(root, layout.PLAN))
    except (OSError, DocumentError):
        return None
    facts = plan_facts(plan)
    has_ids = len({*facts.variants}) == len(facts.variants) and all(
        map(is_variant_id, facts.variants)
    )
    return plan if has_ids and facts.baseline in facts.variants else None


def read_set_index(
    root: Root, present: frozenset[str]
) -> tuple[SetIndex | None, list[CheckedFile]]:
    """Read what a set says of itself.

    Args:
        root: the root of the set.
        present: paths of all files that are there, among them the manifest.

    Returns:
        The index, None where nothing says what the other files must be; and the manifest and the
        files table, as far as they were checked.
    """
    manifest, first = check_manifest(root)
    is_stated = manifest is not None and not first.problems
    plan = sound_plan(root, present)
    facts = facts_of(manifest, is_stated, plan)
    if facts is None:
        return None, [first]
    if plan is not None and plan.fingerprint != facts.fingerprint:
        plan = None
    sums = _read_sums(root, present)
    results, rows = [first], None
    if layout.FILES in present:
        said = manifest["files"] if manifest is not None and is_stated else None
        if said is None and layout.FILES in sums:
            said = {"path": layout.FILES, "bytes": UNKNOWN_LENGTH, "sha256": sums[layout.FILES]}
        rows, second = check_files_table(root, facts, said)
        results.append(second)
    has_table = rows is not None
    if rows is None:
        rows = recovered_rows(root, present, facts, sums)
    if not rows:
        return None, results
    return SetIndex(facts, manifest, is_stated, plan, rows, has_table, sums), results


def _read_sums(root: Root, present: frozenset[str]) -> dict[str, str]:
    """Return the sums of a set; none where they cannot be read, which their own check reports."""
    if layout.SUMS not in present:
        return {}
    try:
        return parse_sums(read_file(root, layout.SUMS))
    except OSError:
        return {}


def facts_of(manifest: Manifest | None, is_sound: bool, plan: Plan | None) -> SetFacts | None:
    """Return what the files are checked against; None where nothing says it.

    Args:
        manifest: the manifest; None where it cannot be used.
        is_sound: whether it has no problems.
        plan: the plan; None where it cannot be used.
    """
    if plan is not None:
        is_other = manifest is not None and manifest["plan"]["fingerprint"] != plan.fingerprint
        if not (is_sound and is_other):
            return plan_facts(plan)
    return manifest_facts(manifest) if manifest is not None else None


def recovered_rows(
    root: Root, present: frozenset[str], facts: SetFacts, sums: Mapping[str, str]
) -> list[FileRow]:
    """Return the rows of a files table that cannot be used.

    Args:
        root: the root of the set.
        present: paths of all files that are there.
        facts: what the set says of itself.
        sums: the sha256 of each file as ``SHA256SUMS`` has it, by path.
    """
    if facts.shards > len(sums):  # Each shard has a receipt, which SHA256SUMS names.
        return []
    from_sums = (
        FileRow(path, variant, shard, shard_format, None, UNKNOWN_LENGTH, sums[path])
        for path, (variant, shard, shard_format) in expected_files(facts)
        if path in sums
    )
    rows = {row.path: row for row in from_sums}
    for shard in range(facts.shards):
        rows |= {row.path: row for row in _receipt_rows(root, present, facts, shard)}
    return sorted(rows.values(), key=lambda row: row.path)


def _receipt_rows(
    root: Root, present: frozenset[str], facts: SetFacts, shard: int
) -> Sequence[FileRow]:
    """Return the rows in a shard's receipt; none where that cannot be used."""
    path = receipt_path(shard_name(shard, facts.shards))
    if path not in present:
        return ()
    try:
        receipt = read_receipt(read_file(root, path))
    except (OSError, DocumentError):  # Its own check reports it.
        return ()
    is_whole = [row.path for row in receipt.files] == shard_paths(facts, shard)
    return receipt.files if is_whole and receipt.shard == shard else ()


def likely_held(
    facts: SetFacts, rows: Sequence[FileRow], present: frozenset[str], part: bytes | None
) -> tuple[str, ...]:
    """Return which variants a copy seems to hold whose ``part.json`` is damaged or missing.

    Args:
        facts: what the set says of itself.
        rows: the rows of its files table.
        present: paths of all files that are there.
        part: content of ``part.json``; None where there is none.
    """
    named: Sequence[str] = ()
    if part is not None:
        try:
            named = read_document(part, Part).variants
        except DocumentError:
            named = ()
    if named and {*named} <= {*facts.variants}:
        return tuple(variant for variant in facts.variants if variant in named)
    stored = {row.variant for row in rows if (row.same_as or row.path) in present}
    return tuple(variant for variant in facts.variants if variant in stored)
