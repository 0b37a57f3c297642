"""Finishing a set: from the receipts of all shards to tables, sums and the manifest."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests import layout
from manifests.manifest import build_manifest
from manifests.tables import (
    FILES_SCHEMA,
    DatasetKind,
    SampleStatus,
    placement_of,
    rejects_schema,
)
from pipelines.errors import OutputError, ShardError, listed
from pipelines.locks import lock_shards
from pipelines.resume import (
    Existing,
    finished_manifest,
    pending_shards,
    refuse_foreign_output,
)
from pipelines.shards import Plan, json_bytes, load_plan, read_sources
from pipelines.storage import (
    Root,
    file_sizes,
    open_output,
    read_file,
    remove_folder,
    sweep,
    write_file,
)
from pipelines.tally import merge_differences, noise_by_axis, noise_by_variant
from transforms.targets import map_annotation


def finish(plan: Plan, output: Root) -> dict[str, Any]:
    """Write everything that a finished set has beside its shards, the manifest last.

    Args:
        plan: of the run.
        output: where the receipts of all shards are.

    Returns:
        The manifest.

    Raises:
        ShardError: a shard has no receipt of this plan.
        ManifestError: the manifest would not follow its schema.
    """
    receipts = _read_receipts(plan, output)
    samples = sum(receipt["samples"] for receipt in receipts)
    rejects = [row for receipt in receipts for row in receipt["rejects"]]
    files = [{**row, "shard": receipt["shard"]} for receipt in receipts for row in receipt["files"]]
    files += _write_set_files(plan, output, rejects, samples)
    files.sort(key=lambda row: str(row["path"]))
    stored = [row for row in files if row.get("same_as") is None]
    table = _parquet_bytes(pa.Table.from_pylist(files, FILES_SCHEMA))
    table_row = _write(output, layout.FILES, table)
    _write_sums(plan, output, [*stored, {"path": layout.FILES, **table_row}])
    differences = merge_differences(plan.grid, receipts)
    manifest = build_manifest(
        plan.document(),
        [(variant.id, variant.slug) for variant in plan.grid.variants],
        plan.grid.fingerprint(),
        {"samples": samples, "rejects": len(rejects)},
        _content_sha256(plan, output),
        files,
        table_row,
        noise_by_variant(plan.grid, receipts, differences),
        noise_by_axis(plan.grid, differences),
    )
    sweep(output, lambda owner: True)
    for folder in (layout.FAILURES, layout.STRIKES, layout.EARLIER):
        remove_folder(output, folder)
    write_file(output, layout.MANIFEST, json_bytes(manifest))
    return manifest


def finish_set(output_url: str) -> dict[str, Any]:
    """Finish a set whose shards were made in parts, and return its manifest.

    Raises:
        OutputError: no output of ``sysnoise generate``, or a run is working on it.
        ShardError: a shard has no receipt, or not the files that it names.
    """
    output = open_output(output_url)
    refuse_foreign_output(output)
    try:
        plan = load_plan(output)
    except FileNotFoundError as error:
        raise OutputError(f"{output_url!r} has no {layout.PLAN}: nothing was generated") from error
    with lock_shards(output, None):
        sizes = file_sizes(output)
        pending = pending_shards(plan, output, range(plan.shards), sizes, Existing.RESUME)
        if pending:
            raise ShardError(
                f"{len(pending)} of {plan.shards} shards of {output_url!r} have no receipt, or not "
                "the files that it names; make them with 'sysnoise generate', as the others:\n"
                f"{listed([f'shard {shard}' for shard in pending])}"
            )
        return finished_manifest(output) or finish(plan, output)


def _read_receipts(plan: Plan, output: Root) -> list[dict[str, Any]]:
    receipts, problems = [], []
    for shard in range(plan.shards):
        path = layout.receipt_path(plan.shard_name(shard))
        try:
            receipt = json.loads(read_file(output, path))
        except FileNotFoundError:
            problems.append(f"{path}: missing")
            continue
        if receipt["fingerprint"] != plan.fingerprint:
            problems.append(f"{path}: of another plan ({receipt['fingerprint']})")
        receipts.append(receipt)
    if problems:
        raise ShardError(
            f"{len(problems)} shard(s) of {output.url!r} are not done:\n{listed(problems)}"
        )
    return receipts


def _write_set_files(
    plan: Plan, output: Root, rejects: Sequence[Mapping[str, Any]], samples: int
) -> list[dict[str, Any]]:
    """Write rejects and annotations; return the rows of all files that no shard owns."""
    schema = rejects_schema(plan.grid.decoders)
    table = _parquet_bytes(pa.Table.from_pylist(list(rejects), schema))
    written: dict[str, tuple[str, int | None, dict[str, Any]]] = {
        layout.REJECTS: ("rejects", len(rejects), _write(output, layout.REJECTS, table))
    }
    if plan.kind is DatasetKind.COCO:
        for kind, document in _annotation_documents(plan, output).items():
            path = layout.annotations_path(plan.split, kind)
            text = json.dumps(document, separators=(",", ":")).encode()
            written[path] = ("annotations", samples, _write(output, path, text))
    for path, count in ((layout.PLAN, None), (layout.SOURCES, plan.samples)):
        row = _describe(read_file(output, path))
        written[path] = (path.split(".")[0], count, row)
    return [
        {"path": path, "variant": None, "shard": None, "format": kind, "samples": count, **row}
        for path, (kind, count, row) in written.items()
    ]


def _annotation_documents(plan: Plan, output: Root) -> dict[str, dict[str, Any]]:
    """Return COCO's ground truth in source pixels and in output pixels, without the rejects."""
    documents: dict[str, dict[str, Any]] = {
        kind: {**plan.coco, "images": [], "annotations": []} for kind in ("original", "rescaled")
    }
    for source, sample in _pairs(plan, output):
        if sample["status"] != SampleStatus.OK.value:
            continue
        record = json.loads(source["image"])
        record["file_name"] = f"{source['key']}.{plan.image_format}"
        annotations = json.loads(source["annotations"])
        placement = placement_of(sample["geometry"])
        size = {"width": placement.output_width, "height": placement.output_height}
        documents["original"]["images"].append(record)
        documents["original"]["annotations"] += annotations
        documents["rescaled"]["images"].append({**record, **size})
        documents["rescaled"]["annotations"] += [map_annotation(a, placement) for a in annotations]
    return documents


def _pairs(plan: Plan, output: Root) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for shard in range(plan.shards):
        samples = _read_samples(plan, output, shard, ["key", "status", "geometry"])
        yield from zip(read_sources(output, shard), samples, strict=True)


def _read_samples(
    plan: Plan, output: Root, shard: int, columns: Sequence[str]
) -> list[dict[str, Any]]:
    data = read_file(output, layout.samples_path(plan.shard_name(shard)))
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data), columns=list(columns)).to_pylist()
    return rows


def _content_sha256(plan: Plan, output: Root) -> str:
    digest = hashlib.sha256()
    for shard in range(plan.shards):
        for row in _read_samples(plan, output, shard, ["key", "source_sha256"]):
            digest.update(f"{row['source_sha256']}  {row['key']}\n".encode())
    return digest.hexdigest()


def _write_sums(plan: Plan, output: Root, files: Sequence[Mapping[str, Any]]) -> None:
    """Write the sums of all files but itself and the manifest, as ``sha256sum -c`` reads them."""
    sums = {str(row["path"]): str(row["sha256"]) for row in files}
    for shard in range(plan.shards):
        path = layout.receipt_path(plan.shard_name(shard))
        sums[path] = hashlib.sha256(read_file(output, path)).hexdigest()
    text = "".join(f"{sums[path]}  {path}\n" for path in sorted(sums))
    write_file(output, layout.SUMS, text.encode())


def _write(output: Root, path: str, data: bytes) -> dict[str, Any]:
    write_file(output, path, data)
    return _describe(data)


def _describe(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
