"""Whether an evaluation resized the images of a set again, which blurs the set's own noise."""

from __future__ import annotations

from collections.abc import Iterator

from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.pipelines.scoring.evaluation_file import StoredEvaluation
from sysnoise.transforms.documents import other_geometries
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY

KEEPING_FITS = ("exact", "pad")
"""How images are fitted to a model without a resize."""


def resize_notes(tables: SampleTables, fit: str, width: int, height: int) -> Iterator[str]:
    """Yield a note if images are resized to a model's input, whose size they do not have.

    Args:
        tables: the set's tables of samples.
        fit: how images are fitted.
        width: width of the model's input in pixels.
        height: its height.
    """
    if fit in KEEPING_FITS:
        return
    names = (FIRST_GEOMETRY, *other_geometries(tables.found.manifest["grid"]))
    sizes = {name: tables.sizes(name) for name in names}
    others = {name: each.total() - each[width, height] for name, each in sizes.items()}
    resized = [name for name in names if others[name]]
    if resized:
        where = "" if resized == [FIRST_GEOMETRY] else f", in the geometries {', '.join(resized)}"
        count, total = max(others.values()), sizes[FIRST_GEOMETRY].total()
        yield (
            f"{count} of {total} images are resized a second time{where}, to the model's "
            f"{width} x {height} ({fit}), which hides the noise of the set's own resize; a set "
            "of that size, or a model of any size with 'fit: pad', needs no second resize"
        )


def stored_resize_notes(tables: SampleTables, evaluation: StoredEvaluation) -> Iterator[str]:
    """Yield the same for predictions that ``evaluate`` wrote; nothing for those of predictors."""
    if evaluation.config is not None:
        spec = evaluation.config.input
        yield from resize_notes(tables, spec.fit, spec.width, spec.height)
