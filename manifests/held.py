"""The files that a set, or a copy with the images of some variants, has for each variant."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sysnoise.manifests.layout import VARIANTS, ShardFormat
from sysnoise.manifests.manifest import Manifest, VariantDocument
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.publication import dataset_of
from sysnoise.manifests.title import is_whole_split


@dataclass(frozen=True)
class HeldSet:
    """A finished set, or a copy that holds the images of some of its variants, or of none.

    Attributes:
        manifest: manifest of the whole set.
        plan: plan of the whole set.
        files: the files table of the whole set, of :data:`sysnoise.manifests.files.FILES_SCHEMA`.
        held: ids of the variants whose images the copy has.
    """

    manifest: Manifest
    plan: Plan
    files: pa.Table
    held: Sequence[str]

    @property
    def variants(self) -> list[VariantDocument]:
        """The manifest's entries of the variants whose images are there, in grid order."""
        return [each for each in self.manifest["variants"] if each["id"] in self.held]

    @property
    def origin(self) -> str:
        """As what the source images were read, which need not be those of the dataset."""
        title, split = dataset_of(self.manifest).title, self.manifest["dataset"]["split"]
        if is_whole_split(self.manifest):
            return f"as {title} {split}"
        return f"from files in the layout of {title} (split {split})"

    @property
    def summary(self) -> str:
        """What the set is, in a sentence or two."""
        counts = self.manifest["counts"]
        pixels = "" if self.held else f" This {self.noun} holds no images, only what makes them."
        return (
            f"{counts['samples']} images, read {self.origin}, in {counts['variants']} combinations "
            "of decoder, resize and color conversion, to measure how much a trained network loses "
            f"when a deployed system treats images differently.{pixels}"
        )

    @property
    def noun(self) -> str:
        """The word for this: a set that was made without images is not a mere copy."""
        return "copy" if self.formats else "set"

    @property
    def baseline(self) -> str:
        """The id of the variant that stands for the training system."""
        return str(self.manifest["grid"]["baseline"])

    @property
    def formats(self) -> list[ShardFormat]:
        """The formats of the shards."""
        return [ShardFormat(value) for value in self.manifest["formats"]]

    def stored_files(self) -> pa.Table:
        """Return the rows of the files that are stored here, in the order of the table.

        A file that was left out as a duplicate is replaced by the one that has its bytes.
        """
        variant, path, same_as = (self.files[name] for name in ("variant", "path", "same_as"))
        held = pc.is_in(variant, value_set=pa.array(self.held, pa.string()))
        mine = pc.or_(held, pc.is_null(variant))
        holders = pc.unique(pc.drop_null(pc.filter(same_as, mine)))
        needed = pc.or_(mine, pc.is_in(path, value_set=holders))
        return self.files.filter(pc.and_(needed, pc.is_null(same_as)))

    def places(self, variant_id: str, shard_format: ShardFormat) -> list[str]:
        """Return where the images of a variant are.

        Returns:
            One glob where a single folder has all of them, which is that of another variant where
            all files were left out as its duplicates; else a path a shard, in order.
        """
        own = pc.and_(
            pc.equal(self.files["variant"], variant_id),
            pc.equal(self.files["format"], shard_format.value),
        )
        rows = self.files.filter(own).sort_by("shard")
        paths: list[str] = pc.coalesce(rows["same_as"], rows["path"]).to_pylist()
        folders = {posixpath.dirname(path) for path in paths}
        if len(folders) > 1:
            return paths
        folder = folders.pop() if folders else f"{VARIANTS}/{variant_id}"
        return [f"{folder}/*.{shard_format.extension}"]
