"""Growing a set: a larger grid takes over the variants that a smaller one has made.

The receipts of the smaller grid are set aside. Each shard is then made again, except for the images
that its earlier receipt commits; where nothing of a file can change, the file stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sysnoise.manifests import layout
from sysnoise.manifests.changes import plan_changes
from sysnoise.manifests.json_documents import json_bytes
from sysnoise.manifests.plan import Plan
from sysnoise.pipelines.errors import OutputError, lines_of
from sysnoise.pipelines.planning.plan import parse_stored_plan
from sysnoise.pipelines.planning.receipt_check import is_committed
from sysnoise.pipelines.planning.receipts import read_receipt_if_whole
from sysnoise.pipelines.storage.commit import remove_file, remove_folder, write_file
from sysnoise.pipelines.storage.listing import list_folder
from sysnoise.pipelines.storage.reading import read_file, read_if_there
from sysnoise.pipelines.storage.root import Root

_GROWING_SETTINGS = (
    *("grid.decoders:", "grid.resizes:", "grid.colors:", "grid.sources:", "grid.geometries:"),
    *("grid.variants:", "grid.combine:"),
)
"""The settings in which a plan may differ from that of the smaller grid."""


def begin_growth(stored: Plan, plan: Plan, output: Root) -> None:
    """Record that the set of one plan is being grown to another, which the caller then writes.

    Raises:
        OutputError: the plans differ in more than added variants, or the set is being grown to
            another grid.
    """
    problems = growth_problems(stored, plan)
    if problems:
        raise OutputError(
            f"the set in {output.url!r} cannot be grown to grid {plan.grid_name!r}:\n"
            f"{lines_of(problems)}"
        )
    if read_earlier_plan(output) not in (None, stored):
        raise OutputError(
            f"the set in {output.url!r} is being grown to grid {stored.grid_name!r}; let that "
            "run end first"
        )
    write_file(output, layout.EARLIER_PLAN, json_bytes(stored))
    remove_file(output, layout.MANIFEST)


def growth_problems(stored: Plan, plan: Plan) -> list[str]:
    """Return why a set of one plan cannot be grown to another; an empty list if it can."""
    missing = sorted(set(stored.grid.variants) - set(plan.grid.variants))
    problems = [f"it lacks {variant.id}" for variant in missing]
    if stored.source_sha256 != plan.source_sha256:
        problems.append("its source images, their labels or annotations are different")
    known = {each.name: each.geometry for each in plan.grid.geometries}
    problems += (
        f"it has another geometry {each.name}"
        for each in stored.grid.geometries
        if known.get(each.name, each.geometry) != each.geometry
    )
    changes = plan_changes(stored, plan)
    return problems + [each for each in changes if not each.startswith(_GROWING_SETTINGS)]


def read_earlier_plan(output: Root) -> Plan | None:
    """Return the plan of the smaller grid that a set is grown from; None for another set."""
    data = read_if_there(output, layout.EARLIER_PLAN)
    return None if data is None else parse_stored_plan(output, layout.EARLIER_PLAN, data)


def set_receipts_aside(
    plan: Plan, output: Root, shards: Sequence[int], sizes: Mapping[str, int]
) -> None:
    """Set aside the receipts that a grown set's shards can be made from, if the set is grown.

    Args:
        plan: the plan of the larger grid.
        output: the output that holds the set.
        shards: numbers of the shards to be made.
        sizes: length in bytes of every file of the set, by path.
    """
    earlier = read_earlier_plan(output)
    if earlier is None:
        return
    if earlier.fingerprint == plan.fingerprint:  # The growth was interrupted before it began.
        remove_folder(output, layout.EARLIER)
        return
    found = {*list_folder(output, layout.RECEIPTS), *list_folder(output, layout.EARLIER)}
    for shard in shards:
        name = plan.shard_name(shard)
        aside = layout.earlier_receipt_path(name)
        for path in {layout.receipt_path(name), aside} & found:
            data = read_file(output, path)
            receipt = read_receipt_if_whole(data)
            if receipt is not None and receipt.is_of(plan):
                continue  # The shard has been grown.
            if receipt is None or not is_committed(receipt, earlier, shard, sizes):
                remove_file(output, path)
            elif path != aside:
                write_file(output, aside, data)
                remove_file(output, path)
