"""What ``sysnoise status`` shows: how far an output is, from its plan and its receipts alone."""

from __future__ import annotations

import functools
import itertools
import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from sysnoise.manifests.layout import (
    MANIFEST,
    PART,
    PLAN,
    RECEIPTS,
    STRIKES,
    receipt_path,
    shard_name,
)
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.storage.listing import list_folder
from sysnoise.pipelines.storage.reading import modified, read_file, read_side_by_side
from sysnoise.pipelines.storage.root import Root, exists, open_output

PAUSE_SECONDS = 60.0
PAUSE_MEDIANS = 20
"""A longer interval between two receipts than both tell is a pause between two runs."""

Document = dict[str, Any]


@dataclass(frozen=True)
class _Receipt:
    """What is kept of a receipt: its shard, its sums, and the seconds of the epoch it is from.

    ``samples`` has the rejects too; ``modified`` is None where the file system does not tell.
    """

    shard: int
    samples: int
    rejects: Counter[str]
    fallbacks: Counter[str]
    bytes: int
    modified: float | None


def describe_status(url: str) -> Document:
    """Return how far a running, interrupted or finished output is, JSON-compatible.

    Args:
        url: of the output, path or fsspec URL.

    Returns:
        ``output``, ``dataset``, ``split``, ``grid`` (its name) and ``variants`` (their number).
        ``held``: number of variants whose images are there, once the set is finished.
        ``finished``: whether the manifest is there.
        ``shards``: ``all``, ``done`` and ``missing``, as pairs of first and last number.
        ``samples``: ``all`` and ``done``, rejects included.
        ``rejects``: number by reason. ``fallbacks``: number by decoder.
        ``struck``: number of samples on which workers died.
        ``bytes``: of the stored files of the shards that are done.
        ``seconds_left``: of running, at the pace of the receipts; None where that is not known.

    Raises:
        InputError: no output of ``generate``, or a plan or receipt that cannot be read.
        OutputError: no such kind of file system.
    """
    output = open_output(url)
    plan = _read_plan(output)
    receipts = _read_receipts(plan, output)
    done = sum(receipt.samples for receipt in receipts)
    missing = sorted({*range(plan["shards"])} - {receipt.shard for receipt in receipts})
    return {
        "output": url,
        **{name: plan[name] for name in ("dataset", "split")},
        "grid": plan["grid"]["name"],
        "variants": _variant_count(plan["grid"]),
        "held": _held_count(output, plan),
        "finished": exists(output, MANIFEST),
        "shards": {"all": plan["shards"], "done": len(receipts), "missing": _ranges(missing)},
        "samples": {"all": plan["samples"], "done": done},
        "rejects": _sum(receipt.rejects for receipt in receipts),
        "fallbacks": _sum(receipt.fallbacks for receipt in receipts),
        "struck": sum(len(_read_json(output, path)) for path in list_folder(output, STRIKES)),
        "bytes": sum(receipt.bytes for receipt in receipts),
        "seconds_left": _seconds_left(receipts, plan["samples"] - done),
    }


def _read_plan(output: Root) -> Document:
    try:
        return _read_json(output, PLAN)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{output.url!r} is not an output of generate: it has no {PLAN}"
        ) from error


def _read_json(output: Root, path: str) -> Document:
    try:
        return dict(json.loads(read_file(output, path)))
    except (ValueError, TypeError) as error:
        raise InputError(f"reading {path} of {output.url!r}: not a JSON object: {error}") from error


def _variant_count(grid: Mapping[str, Any]) -> int:
    """Count the variants of a grid's document, without the libraries that its methods need."""
    counts = [len(grid[axis]) for axis in ("decoders", "resizes", "colors")]
    if grid["combine"] == "one-factor":
        return 1 + sum(count - 1 for count in counts)
    return math.prod(counts)


def _held_count(output: Root, plan: Mapping[str, Any]) -> int:
    try:
        held = _read_json(output, PART).get("variants")
    except FileNotFoundError:
        return _variant_count(plan["grid"]) if plan["formats"] else 0
    if not isinstance(held, list):
        raise InputError(f"reading {PART} of {output.url!r}: it names no variants")
    return len(held)


def _read_receipts(plan: Mapping[str, Any], output: Root) -> list[_Receipt]:
    """Read the receipts of a plan, several at a time, and keep only their sums."""
    found = set(list_folder(output, RECEIPTS))
    paths = (receipt_path(shard_name(shard, plan["shards"])) for shard in range(plan["shards"]))
    read = functools.partial(_read_receipt, output, plan["fingerprint"])
    receipts = read_side_by_side(read, (path for path in paths if path in found))
    return [receipt for receipt in receipts if receipt]


def _read_receipt(output: Root, fingerprint: str, path: str) -> _Receipt | None:
    """Read a receipt; None where it is of another plan, or has gone since it was listed."""
    try:
        receipt = _read_json(output, path)
        written = modified(output, path)
    except FileNotFoundError:
        return None
    if receipt["fingerprint"] != fingerprint:
        return None
    return _Receipt(
        shard=receipt["shard"],
        samples=receipt["samples"] + len(receipt["rejects"]),
        rejects=Counter(reject["reason"] for reject in receipt["rejects"]),
        fallbacks=Counter(receipt["fallbacks"]),
        bytes=sum(file["bytes"] for file in receipt["files"] if file["same_as"] is None),
        modified=written,
    )


def _seconds_left(receipts: Iterable[_Receipt], samples: int) -> float | None:
    """Return the time that samples take at the pace of the receipts, pauses left out."""
    if not samples:
        return 0.0
    times = sorted((each.modified, each.samples) for each in receipts if each.modified is not None)
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


def format_status(document: Document) -> str:
    """Return the document as text for a terminal."""
    shards, samples = document["shards"], document["samples"]
    struck, left = document["struck"], document["seconds_left"]
    lines = {
        "shards": f"{shards['done']} of {shards['all']}",
        "missing": ", ".join(_range_text(*pair) for pair in shards["missing"]),
        "samples": f"{samples['done']} of {samples['all']}",
        "rejects": _counts_text(document["rejects"]),
        "fallbacks": _counts_text(document["fallbacks"]),
        "struck": f"workers died on {struck} sample(s)" if struck else "",
        "stored": tqdm.format_sizeof(document["bytes"], "B"),
        "manifest": _manifest_text(document),
        "time left": _time_text(left),
    }
    return "\n".join(
        [
            f"{document['output']}: {document['dataset']} {document['split']}, "
            f"{document['grid']}, {document['variants']} variants",
            *(f"{label:<11}{text or 'none'}" for label, text in lines.items()),
        ]
    )


def _manifest_text(document: Document) -> str:
    if not document["finished"]:
        return "not yet"
    if document["held"] == document["variants"]:
        return "written: the set is finished"
    return f"written: it holds the images of {document['held']} variant(s)"


def _time_text(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{tqdm.format_interval(seconds)} of running" if seconds else ""


def _range_text(first: int, last: int) -> str:
    """Return the shards as ``--shard-range`` takes them."""
    return f"{first}:{last + 1}"


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
