"""Making and writing the report of a set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sysnoise.manifests.reading import FinishedSet, open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.report.box_flips import BoxFlipSelection, select_box_flips
from sysnoise.pipelines.report.evaluation import Evaluation
from sysnoise.pipelines.report.flips import FlipSelection, select_flips
from sysnoise.pipelines.report.gallery import MAX_VARIANTS, chosen_variants, make_gallery
from sysnoise.pipelines.report.page import Report, render_page
from sysnoise.pipelines.scoring.compose import Table, score_set
from sysnoise.pipelines.scoring.records import (
    Counting,
    Coverage,
    DetectedBoxes,
    PredictedClasses,
)
from sysnoise.pipelines.scoring.totals import SetTotals, read_totals
from sysnoise.pipelines.storage.commit import write_file, write_path
from sysnoise.pipelines.storage.root import open_output
from sysnoise.transforms.methods import unknown_name


def make_report(
    url: str,
    variants: Sequence[str],
    samples: int,
    predictions: Mapping[str, str],
    coverage: Coverage,
    counting: Counting,
) -> Report:
    """Read what the report of a set shows.

    Args:
        url: path or fsspec URL of the set.
        variants: ids of the gallery's variants; none for those that differ most.
        samples: number of samples in the gallery.
        predictions: path or fsspec URL of each model's predictions, by the model's name; none
            for a report on the set alone.
        coverage: which images are scored.
        counting: which methods count.

    Raises:
        UsageError: the set does not hold a variant, there are more than 12, or a library is
            missing.
        SetError: it is no finished set, or a file is missing or damaged.
        InputError: predictions cannot be read, or are not of this set.
    """
    found = open_set(url)
    _check_variants(found, variants)
    tables = SampleTables(found)
    totals = read_totals(tables)
    evaluation = None
    if predictions:
        evaluation = _evaluate(tables, totals, predictions, coverage, counting)
    chosen = list(variants) or chosen_variants(found, totals.groups)
    gallery = make_gallery(found, chosen, samples) if chosen else None
    return Report(found, totals, gallery if gallery and gallery.samples else None, evaluation)


def _evaluate(
    tables: SampleTables,
    totals: SetTotals,
    predictions: Mapping[str, str],
    coverage: Coverage,
    counting: Counting,
) -> Evaluation:
    table = score_set(tables, totals.groups, predictions, coverage, counting)
    return Evaluation(table, _select_flips(tables, table), _class_names(tables.found))


def _select_flips(tables: SampleTables, table: Table) -> FlipSelection | BoxFlipSelection | None:
    """Choose what is shown of the classes or boxes behind the figures."""
    behind = {row.model: row.predicted for row in table.rows}
    classes = {m: each for m, each in behind.items() if isinstance(each, PredictedClasses)}
    if classes:
        return select_flips(tables.found, classes)
    boxes = {m: each for m, each in behind.items() if isinstance(each, DetectedBoxes)}
    return select_box_flips(tables, boxes) if boxes else None


def _class_names(found: FinishedSet) -> dict[int, str]:
    """Return the names of the classes by label, or of the categories by id."""
    dataset = found.manifest["dataset"]
    classes = enumerate(dataset.get("classes", []))
    categories = dataset.get("categories", [])
    return {
        **{label: each["name"] or each["wnid"] or "" for label, each in classes},
        **{each["id"]: str(each.get("name", "")) for each in categories if "id" in each},
    }


def _check_variants(found: FinishedSet, variants: Sequence[str]) -> None:
    if len(variants) > MAX_VARIANTS:
        raise UsageError(f"the gallery shows at most {MAX_VARIANTS} variants, not {len(variants)}")
    for variant in variants:
        if variant not in found.held:
            raise UsageError(unknown_name("variant", variant, found.held))


def write_report(report: Report, path: str) -> int:
    """Write the page, whole or not at all, and return its length in bytes.

    Raises:
        OutputError: the page cannot be written.
    """
    data = render_page(report).encode()
    write_path(path, data)
    return len(data)


def write_plots(report: Report, folder: str) -> list[str]:
    """Write the plots as PNG files, and return their paths.

    Raises:
        OutputError: a file cannot be written.
    """
    from sysnoise.pipelines.report.plots import draw_plots

    root = open_output(folder)
    files = draw_plots(report)
    for name, data in files.items():
        write_file(root, name, data)
    return [root.child(name) for name in files]
