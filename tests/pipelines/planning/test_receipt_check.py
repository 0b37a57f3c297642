"""Receipts that no run has written: what a run writes into them is another's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sysnoise.manifests.json_documents import DocumentError
from sysnoise.manifests.plan import Plan, read_plan
from sysnoise.pipelines.planning.receipt_check import missing_files, receipt_problems
from sysnoise.pipelines.planning.receipts import read_receipt
from sysnoise.pipelines.storage.listing import file_sizes
from sysnoise.pipelines.storage.root import open_output
from tests.end_to_end.disturbed import receipts

Change = Callable[[dict[str, Any]], object]
SHARD = 2


@pytest.fixture
def plan(small_set: Path) -> Plan:
    return read_plan((small_set / "plan.json").read_bytes())


def problems(plan: Plan, folder: Path, change: Change) -> list[str]:
    document = json.loads(receipts(folder)[SHARD].read_text("utf-8"))
    change(document)
    try:
        return receipt_problems(read_receipt(json.dumps(document).encode()), plan, SHARD)
    except DocumentError as error:
        return [str(error)]


def test_the_receipt_of_a_run_has_none(plan: Plan, small_set: Path) -> None:
    assert problems(plan, small_set, lambda receipt: None) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda receipt: receipt["differences"].pop(), "differences of 1 variants"),
        (lambda receipt: receipt["shared"].pop(), "shared of 1 variants"),
        (lambda receipt: receipt["shared"][0].update({"1": 1}), "shared with a later variant"),
        (lambda receipt: receipt["differences"][1].__setitem__(0, 4), "more images than samples"),
        (lambda receipt: receipt["differences"][1].__setitem__(0, -1), "$.differences[1][0]"),
        (lambda receipt: receipt["differences"][1].__setitem__(0, 10**400), "64 bits"),
        (lambda receipt: receipt.update(samples=2), "2 samples and rejects, expected 3"),
        (lambda receipt: receipt.update(samples=10**30), "64 bits"),
        (lambda receipt: receipt.update(shard=3), "of shard 3"),
        (lambda receipt: receipt.update(shard="2"), "$.shard"),
        (lambda receipt: receipt.update(fallbacks={"opencv": 1}), "fallbacks of another decoder"),
        (lambda receipt: receipt.update(fallbacks={"ffmpeg": 9}), "more of them than samples"),
        (lambda receipt: receipt.update(rejects=[None]), "$.rejects[0]"),
        (lambda receipt: receipt["files"].pop(), "names other files"),
        (lambda receipt: receipt["files"].pop(0), "names other files"),
        (lambda receipt: receipt["files"].append(receipt["files"][0]), "names other files"),
        (lambda receipt: receipt["files"][0].update(samples=2), "names other files"),
        (lambda receipt: receipt["files"][0].update(sha256="no"), "$.files[0].sha256"),
        (lambda receipt: receipt["files"][0].update(path="../../somewhere"), "names other files"),
        (
            lambda receipt: receipt["files"][1].update(same_as=receipt["files"][0]["path"]),
            "no earlier one holds",
        ),
        (lambda receipt: receipt["files"][0].update(variant="else/where/rgb"), "names other files"),
    ],
)
def test_what_no_run_writes_is_named(
    change: Change, problem: str, plan: Plan, small_set: Path
) -> None:
    assert any(problem in each for each in problems(plan, small_set, change))


def test_files_of_another_length_are_missing(small_set: Path) -> None:
    receipt = read_receipt(receipts(small_set)[SHARD].read_bytes())
    sizes = file_sizes(open_output(str(small_set)))
    assert missing_files(receipt, sizes) == []
    first, second = receipt.files[0].path, receipt.files[1].path
    del sizes[first]
    sizes[second] += 1
    assert missing_files(receipt, sizes) == [first, second]
