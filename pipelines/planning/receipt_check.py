"""Whether a receipt says what a shard of a plan can hold, and whether its files are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sysnoise.manifests.files import FileRow
from sysnoise.manifests.layout import samples_path, variant_path
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import DecoderStatus, Duplicates, RejectReason
from sysnoise.pipelines.planning.receipts import Receipt, RejectedSample

_REASONS = {reason.value for reason in RejectReason}
_STATUSES = {status.value for status in DecoderStatus}


def is_committed(receipt: Receipt, plan: Plan, shard: int, sizes: Mapping[str, int]) -> bool:
    """Whether a receipt commits a shard of a plan, and its files are there in their length.

    Args:
        receipt: the receipt.
        plan: the plan.
        shard: number of the shard.
        sizes: length in bytes of every file of the set, by path.
    """
    return not receipt_problems(receipt, plan, shard) and not missing_files(receipt, sizes)


def missing_files(receipt: Receipt, sizes: Mapping[str, int]) -> list[str]:
    """Return the paths of the files of a receipt that are not there in their length.

    Args:
        receipt: the receipt.
        sizes: length in bytes of every file of the set, by path.
    """
    stored = (file for file in receipt.files if file.same_as is None)
    return [file.path for file in stored if sizes.get(file.path) != file.bytes]


def receipt_problems(receipt: Receipt, plan: Plan, shard: int) -> list[str]:
    """Return what a run of a plan would not have written into the receipt of a shard.

    Args:
        receipt: the receipt.
        plan: the plan.
        shard: number of the shard.
    """
    if not receipt.is_of(plan):
        return [f"it is of another plan ({receipt.fingerprint})"]
    return [*_count_problems(receipt, plan, shard), *_file_problems(receipt, plan, shard)]


def _count_problems(receipt: Receipt, plan: Plan, shard: int) -> Iterator[str]:
    if receipt.shard != shard:
        yield f"it is of shard {receipt.shard}"
    held = receipt.samples + len(receipt.rejects)
    if held != plan.shard_size(shard):
        yield f"it says {held} samples and rejects, expected {plan.shard_size(shard)}"
    if any(not _is_reject_of(reject, plan, shard) for reject in receipt.rejects):
        yield "it has a reject of another shard, or with another reason or decoder"
    variants = len(plan.grid.variants)
    for name, values in (("differences", receipt.differences), ("shared", receipt.shared)):
        if len(values) != variants:
            yield f"it has {name} of {len(values)} variants, expected {variants}"
    if any(not 0 <= each.images <= receipt.samples for each in receipt.differences):
        yield "it has differences of more images than samples"
    if not _are_shared_counts(receipt):
        yield "it says images shared with a later variant, or more of them than samples"
    known = receipt.fallbacks.keys() <= set(plan.grid.decoders)
    if not known or any(not 0 <= each <= receipt.samples for each in receipt.fallbacks.values()):
        yield "it has fallbacks of another decoder, or more of them than samples"


def _is_reject_of(reject: RejectedSample, plan: Plan, shard: int) -> bool:
    return (
        reject.shard == shard
        and reject.reason in _REASONS
        and reject.decoders.keys() <= set(plan.grid.decoders)
        and _STATUSES.issuperset(reject.decoders.values())
    )


def _are_shared_counts(receipt: Receipt) -> bool:
    return all(
        0 <= earlier < position and 0 < count <= receipt.samples
        for position, counts in enumerate(receipt.shared)
        for earlier, count in counts.items()
    )


def _file_problems(receipt: Receipt, plan: Plan, shard: int) -> Iterator[str]:
    name, size = plan.shard_name(shard), plan.shard_size(shard)
    expected: list[tuple[str, str | None, str, int | None]] = [
        (variant_path(each.id, plan.split, name, fmt), each.id, fmt.value, receipt.samples)
        for fmt in plan.formats
        for each in plan.grid.variants
    ]
    expected.append((samples_path(name), None, "samples", size))
    found = [(file.path, file.variant, file.format, file.samples) for file in receipt.files]
    if found != expected:
        yield "it names other files than the plan, or files of another length"
    elif not _are_holders_right(receipt, plan):
        yield "it leaves out a file that no earlier one holds"


def _are_holders_right(receipt: Receipt, plan: Plan) -> bool:
    """Whether each file that was left out as a duplicate is like the one that holds its bytes."""
    earlier: dict[str, FileRow] = {}
    for file in receipt.files:
        if file.same_as is None:
            earlier[file.path] = file
            continue
        holder = earlier.get(file.same_as)
        if plan.duplicates is not Duplicates.SKIP or holder is None:
            return False
        mine, other = ((each.format, each.bytes, each.sha256) for each in (file, holder))
        if mine != other:
            return False
    return True
