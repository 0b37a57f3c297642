"""``sysnoise compare``: what another environment does to a set.

Two finished sets of the same samples are compared by pixel digests. Where these differ and both
sets hold the images, their pixels are compared too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sysnoise.manifests.changes import field_changes
from sysnoise.manifests.errors import NotHeldError
from sysnoise.manifests.json_documents import JsonObject
from sysnoise.manifests.manifest import Manifest, variant_methods
from sysnoise.manifests.reading import FinishedSet, open_set
from sysnoise.manifests.tables import geometry_of
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.transforms.difference import Difference, identical
from sysnoise.transforms.documents import GeometryDocument, orient_of
from sysnoise.transforms.pixel_difference import difference
from sysnoise.transforms.quantities import counted
from sysnoise.transforms.text_table import TextTable, fitted_lines
from sysnoise.transforms.variant_ids import variant_names


@dataclass(frozen=True)
class SetComparison:
    """The comparison of two sets.

    Attributes:
        samples: number of samples that both hold.
        changes: for each method whose identity differs, what differs, as ``field: a -> b``.
        differences: difference of the second set from the first, by id of each variant in both.
        only_first: ids of variants that only the first set holds.
        only_second: ids of variants that only the second set holds.
    """

    samples: int
    changes: Mapping[str, list[str]]
    differences: Mapping[str, Difference]
    only_first: list[str]
    only_second: list[str]


def compare(first_url: str, second_url: str) -> SetComparison:
    """Compare two finished sets.

    Raises:
        SetError: one of them is not a finished set, lacks a table, or has a damaged file.
        InputError: they do not hold the same samples in the same geometry, or share no variant.
    """
    first, second = open_set(first_url), open_set(second_url)
    _refuse_other_samples(first, second)
    common = [variant_id for variant_id in first.variants if variant_id in second.variants]
    if not common:
        raise InputError(f"{first_url!r} and {second_url!r} have no variant in common")
    slugs = {variant_id: first.variants[variant_id]["slug"] for variant_id in common}
    totals = dict.fromkeys(common, Difference())
    for shard in range(first.shards):
        for variant_id, total in _compare_shard(first, second, shard, slugs):
            totals[variant_id] += total
    return SetComparison(
        samples=first.manifest["counts"]["samples"],
        changes=_identity_changes(first, second, common),
        differences=totals,
        only_first=[each for each in first.variants if each not in second.variants],
        only_second=[each for each in second.variants if each not in first.variants],
    )


def format_comparison(result: SetComparison, width: int | None = None) -> str:
    """Return a comparison as text.

    Args:
        result: the comparison.
        width: number of characters of a line, to which the table is fitted; None for the whole one.
    """
    variants = counted(len(result.differences), "variant")
    lines = [f"{counted(result.samples, 'sample')}, {variants} in both sets"]
    for which, ids in (("first", result.only_first), ("second", result.only_second)):
        if ids:
            lines.append(f"only in the {which} set: {', '.join(ids)}")
    by_fields: dict[tuple[str, ...], list[str]] = {}
    for method, fields in result.changes.items():
        by_fields.setdefault(tuple(fields), []).append(method)
    for changed_fields, methods in by_fields.items():
        lines += [f"changed: {', '.join(methods)}", *(f"  {field}" for field in changed_fields)]
    if not result.changes:
        lines.append("no method's identity changed")
    changed = {
        name: each
        for name, each in result.differences.items()
        if each.identical_images < each.images
    }
    if not changed:
        return "\n".join([*lines, "identical: every image of every variant has the same pixels"])
    lines += fitted_lines(_changed_table(changed), width)
    if any(each.psnr is None for each in changed.values()):
        lines.append("-: pixels not available: one of the sets does not hold these images")
    same = len(result.differences) - len(changed)
    return "\n".join([*lines, f"identical: {counted(same, 'other variant')}"])


def _changed_table(changed: Mapping[str, Difference]) -> TextTable:
    """Return a row for each variant that differs; the digits of figures are below each other."""
    columns = ["variant", "identical", "mean", "max", "PSNR", "changed pixels"]
    rows = [
        [[name], [f"{each.identical_share:>8.1%}"], *([text] for text in _statistics(each))]
        for name, each in changed.items()
    ]
    return TextTable(columns, rows, ["changed pixels", "PSNR", "max"], ["variant"])


def _statistics(total: Difference) -> list[str]:
    if total.psnr is None:
        return ["-"] * 4
    figures = f"{total.mean:7.4f}", f"{total.maximum:3d}", f"{total.psnr:7.2f}"
    return [*figures, f"{total.changed_share:.4%}"]


def _refuse_other_samples(first: FinishedSet, second: FinishedSet) -> None:
    one, other = _with_orient(first.manifest), _with_orient(second.manifest)
    problems = [
        f"{name}: {one[part][name]} and {other[part][name]}"
        for part, name in (
            ("dataset", "kind"),
            ("counts", "samples"),
            ("counts", "shards"),
            ("source", "content_sha256"),
            ("plan", "samples_per_shard"),
            ("grid", "geometry"),
            ("grid", "color_stage"),
            ("grid", "seed"),
            ("grid", "orient"),
        )
        if one[part][name] != other[part][name]
    ]
    known = _other_geometries(second.manifest)
    problems += (
        f"geometry {name}: {geometry} and {known[name]}"
        for name, geometry in _other_geometries(first.manifest).items()
        if known.get(name, geometry) != geometry
    )
    if problems:
        raise InputError(
            f"{first.url!r} and {second.url!r} do not hold the same samples in the same geometry "
            f"and shards:\n{lines_of(problems)}"
        )


def _with_orient(manifest: Manifest) -> JsonObject:
    """Return a manifest whose grid says how images are turned, also where they are not."""
    grid = manifest["grid"]
    return {**manifest, "grid": {**grid, "orient": orient_of(grid).value}}


def _other_geometries(manifest: Manifest) -> dict[str, GeometryDocument]:
    """Return the geometries but the first by their names, which ids have."""
    geometries = manifest["grid"].get("geometries", ())[1:]
    return {str(each["name"]): each for each in geometries}


def _compare_shard(
    first: FinishedSet, second: FinishedSet, shard: int, slugs: Mapping[str, str]
) -> Iterator[tuple[str, Difference]]:
    columns = ["key", "status", *slugs.values()]
    geometries = ["geometry", "geometries"][: 1 + bool(_other_geometries(first.manifest))]
    samples = first.samples(shard, [*columns, *geometries]), second.samples(shard, columns)
    rows = list(zip(*samples, strict=True))
    if any(one["key"] != other["key"] or one["status"] != other["status"] for one, other in rows):
        raise InputError(f"{first.url!r} and {second.url!r} hold other samples in shard {shard}")
    accepted = [(one, other) for one, other in rows if one["status"] == "ok"]
    for variant_id, slug in slugs.items():
        changed = {one["key"] for one, other in accepted if one[slug] != other[slug]}
        name = variant_names(variant_id)["geometry"]
        for one, _ in accepted:
            if one["key"] not in changed:
                geometry = geometry_of(one, name)
                yield variant_id, identical(geometry["output_width"] * geometry["output_height"])
        if changed:
            try:
                yield from list(_compare_images(first, second, shard, variant_id, changed))
            except NotHeldError:  # One set has no images; only the digests show the change.
                yield variant_id, Difference(images=len(changed))


def _compare_images(
    first: FinishedSet, second: FinishedSet, shard: int, variant_id: str, keys: set[str]
) -> Iterator[tuple[str, Difference]]:
    pairs = zip(first.images(variant_id, shard), second.images(variant_id, shard), strict=True)
    for (key, one), (_, other) in pairs:
        if key in keys:
            pixels = second.decode(variant_id, shard, key, other)
            yield variant_id, difference(pixels, first.decode(variant_id, shard, key, one))


def _identity_changes(
    first: FinishedSet, second: FinishedSet, common: list[str]
) -> dict[str, list[str]]:
    changes: dict[str, list[str]] = {}
    for variant_id in common:
        others = variant_methods(second.variants[variant_id])
        for axis, one in variant_methods(first.variants[variant_id]).items():
            other = others[axis]
            if one != other:
                changes[f"{axis} {one['name']}"] = field_changes(one, other)
    return changes
