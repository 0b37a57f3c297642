"""``sysnoise status``: how far an output is, from its plan and its receipts alone."""

from __future__ import annotations

import functools
import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from sysnoise.manifests.bounded import without_file
from sysnoise.manifests.json_documents import DocumentError, read_document
from sysnoise.manifests.layout import MANIFEST, PART, PLAN, RECEIPTS, STRIKES, receipt_path
from sysnoise.manifests.part import Part
from sysnoise.manifests.plan import Plan, read_plan, variant_count
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.planning.receipts import Receipt, read_receipt
from sysnoise.pipelines.shards.strikes import Strikes
from sysnoise.pipelines.storage.listing import list_folder
from sysnoise.pipelines.storage.reading import (
    modification_time,
    read_file,
    read_if_there,
    read_in_parallel,
)
from sysnoise.pipelines.storage.root import Root, exists, open_growing
from sysnoise.transforms.quantities import counted, duration_text, size_text

PAUSE_SECONDS = 60.0
PAUSE_MEDIANS = 20
"""An interval between two receipts that is longer than both limits is a pause between two runs."""


class ShardStatus(TypedDict):
    """Numbers of shards; ``missing`` has pairs of first and last number."""

    all: int
    done: int
    missing: list[tuple[int, int]]


class SampleCounts(TypedDict):
    """Numbers of samples, rejects included."""

    all: int
    done: int


class Status(TypedDict):
    """How far a running, interrupted or finished output is.

    ``variants`` is their number, ``held`` the number of those whose images are there once the set
    is finished, ``struck`` the number of samples on which workers died, ``bytes`` the length of the
    stored files of finished shards, and ``seconds_left`` the time that the rest takes at the pace
    of the receipts, None where that is not known.
    """

    output: str
    dataset: str
    split: str
    grid: str
    variants: int
    held: int
    finished: bool
    shards: ShardStatus
    samples: SampleCounts
    rejects: dict[str, int]
    fallbacks: dict[str, int]
    struck: int
    bytes: int
    seconds_left: float | None


@dataclass(frozen=True)
class _ReceiptSums:
    """What is kept of a receipt.

    Attributes:
        shard: number of the shard.
        samples: number of samples, rejects included.
        rejects: number of rejects by reason.
        fallbacks: number of fallbacks by decoder.
        bytes: length of the stored files.
        written: seconds since the epoch at which the receipt was written; None where the file
            system does not report that.
    """

    shard: int
    samples: int
    rejects: Counter[str]
    fallbacks: Counter[str]
    bytes: int
    written: float | None


def describe_status(url: str) -> Status:
    """Return how far a running, interrupted or finished output is.

    Args:
        url: the output, path or fsspec URL.

    Raises:
        InputError: no output of ``generate``, or a plan or receipt that cannot be read.
        OutputError: no such kind of file system.
    """
    output = open_growing(url)
    plan = _read_plan(output)
    receipts = _read_receipts(plan, output)
    done = sum(receipt.samples for receipt in receipts)
    missing = sorted({*range(plan.shards)} - {receipt.shard for receipt in receipts})
    return {
        "output": without_secrets(url),
        "dataset": plan.kind.value,
        "split": plan.split,
        "grid": plan.grid_name,
        "variants": variant_count(plan),
        "held": _held_count(output, plan),
        "finished": exists(output, MANIFEST),
        "shards": {"all": plan.shards, "done": len(receipts), "missing": _ranges(missing)},
        "samples": {"all": plan.samples, "done": done},
        "rejects": _sum(receipt.rejects for receipt in receipts),
        "fallbacks": _sum(receipt.fallbacks for receipt in receipts),
        "struck": sum(_struck_count(output, path) for path in list_folder(output, STRIKES)),
        "bytes": sum(receipt.bytes for receipt in receipts),
        "seconds_left": _seconds_left(receipts, plan.samples - done),
    }


def _read_plan(output: Root) -> Plan:
    try:
        return read_plan(read_file(output, PLAN))
    except (FileNotFoundError, NotADirectoryError) as error:
        text = without_file(output.fs, output.path, output.url, PLAN, "an output of generate")
        raise InputError(text) from error
    except DocumentError as error:
        raise _unreadable(output, PLAN, error) from error


def _unreadable(output: Root, path: str, error: DocumentError) -> InputError:
    return InputError(f"reading {path} of {output.url!r}: {error}")


def _held_count(output: Root, plan: Plan) -> int:
    data = read_if_there(output, PART)
    if data is None:
        return variant_count(plan) if plan.formats else 0
    try:
        return len(read_document(data, Part).variants)
    except DocumentError as error:
        raise _unreadable(output, PART, error) from error


def _struck_count(output: Root, path: str) -> int:
    """Return the number of samples of a shard on which workers died."""
    try:
        return len(read_document(read_file(output, path), dict[str, Strikes]))
    except DocumentError as error:
        raise _unreadable(output, path, error) from error


def _read_receipts(plan: Plan, output: Root) -> list[_ReceiptSums]:
    """Read the receipts of a plan, several at a time, and keep only their sums."""
    found = set(list_folder(output, RECEIPTS))
    paths = (receipt_path(plan.shard_name(shard)) for shard in range(plan.shards))
    read = functools.partial(_read_receipt, output, plan)
    receipts = read_in_parallel(read, (path for path in paths if path in found))
    return [receipt for receipt in receipts if receipt]


def _read_receipt(output: Root, plan: Plan, path: str) -> _ReceiptSums | None:
    """Read a receipt; None where it is of another plan, or has gone since it was listed."""
    try:
        receipt = read_receipt(read_file(output, path))
        written = modification_time(output, path)
    except FileNotFoundError:
        return None
    except DocumentError as error:
        raise _unreadable(output, path, error) from error
    return _sums(receipt, written) if receipt.is_of(plan) else None


def _sums(receipt: Receipt, written: float | None) -> _ReceiptSums:
    return _ReceiptSums(
        shard=receipt.shard,
        samples=receipt.samples + len(receipt.rejects),
        rejects=Counter(reject.reason for reject in receipt.rejects),
        fallbacks=Counter(receipt.fallbacks),
        bytes=receipt.stored_bytes,
        written=written,
    )


def _seconds_left(receipts: Iterable[_ReceiptSums], samples: int) -> float | None:
    """Return the time that samples take at the pace of the receipts, pauses left out."""
    if not samples:
        return 0.0
    times = sorted((each.written, each.samples) for each in receipts if each.written is not None)
    intervals = [
        (later - earlier, count) for (earlier, _), (later, count) in itertools.pairwise(times)
    ]
    if not intervals:
        return None
    median = statistics.median_low(seconds for seconds, _ in intervals)
    longest = max(PAUSE_SECONDS, PAUSE_MEDIANS * median)
    kept = [(seconds, count) for seconds, count in intervals if seconds <= longest]
    return samples * sum(seconds for seconds, _ in kept) / sum(count for _, count in kept)


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return first and last of each run of successive numbers."""
    runs = itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    members = ([number for _, number in run] for _, run in runs)
    return [(run[0], run[-1]) for run in members]


def _sum(counts: Iterable[Counter[str]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))


def format_status(document: Status) -> str:
    """Return the document as text for a terminal."""
    shards, samples = document["shards"], document["samples"]
    struck, left = document["struck"], document["seconds_left"]
    lines = {
        "shards": f"{shards['done']} of {shards['all']}",
        "missing": ", ".join(_range_text(*pair) for pair in shards["missing"]),
        "samples": f"{samples['done']} of {samples['all']}",
        "rejects": _counts_text(document["rejects"]),
        "fallbacks": _counts_text(document["fallbacks"]),
        "struck": f"workers died on {counted(struck, 'sample')}" if struck else "",
        "stored": size_text(document["bytes"]),
        "manifest": _manifest_text(document),
        "time left": _time_text(left),
    }
    return "\n".join(
        [
            f"{document['output']}: {document['dataset']} {document['split']}, "
            f"{document['grid']}, {counted(document['variants'], 'variant')}",
            *(f"{label:<11}{text or 'none'}" for label, text in lines.items()),
        ]
    )


def _manifest_text(document: Status) -> str:
    if not document["finished"]:
        return "not yet"
    if document["held"] == document["variants"]:
        return "written: the set is finished"
    return f"written: it holds the images of {counted(document['held'], 'variant')}"


def _time_text(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{duration_text(seconds)} of running" if seconds else ""


def _range_text(first: int, last: int) -> str:
    """Return the shards as ``--shard-range`` takes them."""
    return f"{first}:{last + 1}"


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
