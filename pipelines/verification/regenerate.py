"""Making samples again from their sources, and comparing them with the set."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sysnoise.manifests import layout
from sysnoise.manifests.bounded import FileTooLargeError
from sysnoise.manifests.changes import field_changes, methods_of
from sysnoise.manifests.layout import samples_path
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import RejectReason, SampleStatus, parse_parquet
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.planning.plan import current_identities, load_plan, read_sources
from sysnoise.pipelines.readers.access import ReadSource, source_reader
from sysnoise.pipelines.readers.relocated import source_url
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.shards.sample import MadeSample, Reject, make_sample, too_long_sample
from sysnoise.pipelines.shards.shard import sample_row
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.verification.checked_file import FileProblem
from sysnoise.pipelines.verification.checked_set import CheckedSet
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.errors import plain_message

SampleRow = Mapping[str, Any]
"""A row of the samples table, by column."""


def regenerate(
    target: CheckedSet, stated: Collection[str], count: int, images: str
) -> tuple[list[FileProblem], list[str]]:
    """Make random samples of a part again.

    Args:
        target: the set.
        stated: paths of the files that have the bytes that the set says; plan and sources have no
            problems at all.
        count: number of samples; where the part has fewer, all are made.
        images: what the set was made from, as it was given then.

    Returns:
        The differences, and notes on methods that have another build here than in the set.

    Raises:
        InputError: there is nothing at ``images``.
        GridError: a method of the set is not installed here.
    """
    prepare_libraries()
    plan = load_plan(target.root)
    read = source_reader(source_url(images, plan.split), plan.max_bytes, plan.image_column)
    reasons = _reasons(target) if layout.REJECTS in stated else {}
    shards = [each for each in target.part.shards if samples_path(plan.shard_name(each)) in stated]
    problems = [
        problem
        for shard, numbers in _chosen(plan, shards, count)
        for problem in _shard_problems(target, plan, read, reasons, shard, numbers)
    ]
    return problems, _build_notes(plan)


def _reasons(target: CheckedSet) -> dict[str, str]:
    """Return why samples were rejected, by key."""
    table = parse_parquet(read_file(target.root, layout.REJECTS))
    return {row["key"]: row["reason"] for row in table.select(["key", "reason"]).to_pylist()}


def _chosen(plan: Plan, shards: Sequence[int], count: int) -> Iterator[tuple[int, Iterator[int]]]:
    """Choose samples at random; yield each shard that has some, with their numbers in the set."""
    size = plan.samples_per_shard
    numbers = [shard * size + place for shard in shards for place in range(plan.shard_size(shard))]
    chosen = sorted(random.sample(numbers, min(count, len(numbers))))
    yield from itertools.groupby(chosen, lambda number: number // size)


def _shard_problems(
    target: CheckedSet,
    plan: Plan,
    read: ReadSource,
    reasons: Mapping[str, str],
    shard: int,
    numbers: Iterable[int],
) -> Iterator[FileProblem]:
    path = samples_path(plan.shard_name(shard))
    sources = read_sources(target.root, shard)
    table = parse_parquet(read_file(target.root, path))
    rows = {row["key"]: row for row in table.to_pylist()}
    for number in numbers:
        source = sources[number - shard * plan.samples_per_shard]
        key = source.key
        if reasons.get(key) == RejectReason.CRASHED.value:
            continue  # The sample could end this process.
        for text in _sample_messages(target, plan, read, source, rows.get(key), reasons.get(key)):
            yield FileProblem(path, f"sample {key!r}: {text}")


def _sample_messages(
    target: CheckedSet,
    plan: Plan,
    read: ReadSource,
    source: Source,
    row: SampleRow | None,
    reason: str | None,
) -> list[str]:
    """Make a sample again and compare it with its row of the table of samples.

    Args:
        target: the set.
        plan: the plan of the set.
        read: reads the bytes of a source image.
        source: the source image of the sample.
        row: the sample's row of the table of samples; None where it has none.
        reason: why the sample was rejected; None where it was not, or that is unknown.
    """
    if row is None:
        return [f"{layout.SOURCES} has it, but not this table"]
    try:
        data = read(source)
    except FileTooLargeError as error:
        return _made_messages(target, plan, too_long_sample(plan, source, error), row, reason)
    except Exception as error:  # noqa: BLE001 - archives and file systems raise whatever they like.
        return [f"its source {source.name!r} cannot be read: {plain_message(error)}"]
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != row["source_sha256"]:
        expected = row["source_sha256"]
        return [f"its source {source.name!r} has the sha256 {sha256}, expected {expected}"]
    return _made_messages(target, plan, make_sample(plan, source, data), row, reason)


def _made_messages(
    target: CheckedSet, plan: Plan, made: MadeSample | Reject, row: SampleRow, reason: str | None
) -> list[str]:
    found = SampleStatus.OK.value
    if isinstance(made, Reject):
        found = made.reason.value if reason else SampleStatus.REJECTED.value
    said = reason or row["status"]
    if found != said:
        return [f"made again it is {found}, the set says {said}"]
    if isinstance(made, Reject):
        return []
    compared = target.part.variants or {variant.id for variant in plan.grid.variants}
    changed = [
        variant.id
        for variant, rendered in zip(plan.grid.variants, made.variants, strict=True)
        if variant.id in compared and rendered.digest != row[variant.slug]
    ]
    if changed:
        return [f"made again it has other pixels in {quoted(changed)}"]
    expected = sample_row(plan, made)
    expected["decoders"] = {**dict.fromkeys(plan.grid.decoders), **expected["decoders"]}
    slugs = {variant.slug for variant in plan.grid.variants}
    differing = [name for name in row if name not in slugs and row[name] != expected.get(name)]
    return [f"made again it has another {', '.join(differing)}"] if differing else []


def _build_notes(plan: Plan) -> list[str]:
    """Return which methods have another build here, one note per difference."""
    here = dict(methods_of(current_identities(plan.grid, plan.image_format)))
    methods: dict[tuple[str, ...], list[str]] = {}
    for method, planned in methods_of(plan.identities):
        changes = tuple(field_changes(planned, here[method]))
        if changes:
            methods.setdefault(changes, []).append(method)
    return [
        f"made with another build than the one here: {', '.join(names)} ({'; '.join(changes)})"
        for changes, names in methods.items()
    ]
