"""Comparing a set with a recipe: another set of the same plan, often published without images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sysnoise.manifests import layout
from sysnoise.manifests.changes import field_changes
from sysnoise.manifests.files import FileRow
from sysnoise.manifests.json_documents import JsonObject
from sysnoise.manifests.manifest import Manifest
from sysnoise.pipelines.storage.root import connect
from sysnoise.pipelines.verification.checked_file import FileProblem
from sysnoise.pipelines.verification.index import read_index
from sysnoise.pipelines.verification.request import CheckedPart

_EXPLAINING = ("dataset", "source", "plan", "grid", "image_format", "environment")
"""The parts of a manifest whose changes may explain why files differ."""


def compare_with_recipe(
    manifest: Manifest, rows: Sequence[FileRow], part: CheckedPart, recipe_url: str
) -> tuple[list[FileProblem], list[str]]:
    """Compare what a set says of its files with what a recipe says.

    ``sources.parquet`` may differ: beyond the plan, it only says where images are in the source.

    Args:
        manifest: the manifest of the set.
        rows: the rows of its files table.
        part: the part of the set that is checked.
        recipe_url: path or fsspec URL of the other set.

    Returns:
        The files that differ, and notes on the differences between the manifests.

    Raises:
        InputError: the recipe's index cannot be read, or is damaged.
    """
    recipe, recipe_rows = read_index(connect(recipe_url))
    notes = [
        f"{name}.{change} (recipe -> here)"
        for name in _EXPLAINING
        for change in field_changes(_manifest_part(recipe, name), _manifest_part(manifest, name))
    ]
    return list(_file_problems(_rows_by_path(rows, part), _rows_by_path(recipe_rows, part))), notes


def _manifest_part(manifest: Manifest, name: str) -> JsonObject:
    parts: JsonObject = dict(manifest)
    part: JsonObject = parts[name]
    return part


def _rows_by_path(rows: Sequence[FileRow], part: CheckedPart) -> dict[str, FileRow]:
    return {
        row.path: row
        for row in rows
        if row.path != layout.SOURCES
        and (row.variant is None or row.variant in part.variants)
        and (row.shard is None or row.shard in part.shards)
    }


def _file_problems(here: dict[str, FileRow], there: dict[str, FileRow]) -> Iterator[FileProblem]:
    for path in sorted({*here, *there}):
        if path not in there:
            yield FileProblem(path, "the recipe has no such file")
        elif path not in here:
            yield FileProblem(path, "missing: the recipe has it")
        elif here[path].sha256 != there[path].sha256:
            expected = there[path].sha256
            yield FileProblem(
                path, f"its sha256 is {here[path].sha256}, the recipe says {expected}"
            )
