"""``sysnoise verify``: whether a finished set, or a part of it, is what its manifest says.

All problems are collected; the checks end early only if the manifest or the files table, which name
the rest, cannot be used. Neither Beam nor the codecs that made the set are loaded, unless samples
are made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sysnoise.manifests import layout
from sysnoise.manifests.errors import PartError
from sysnoise.manifests.files import FileRow
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.part import held_variants
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.storage.listing import list_files
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import open_root
from sysnoise.pipelines.verification.all_files import CheckedSet, check_all_files, open_checked_set
from sysnoise.pipelines.verification.checked_file import MISSING, CheckedFile, FileProblem
from sysnoise.pipelines.verification.index import (
    check_files_table,
    check_manifest,
    count_messages,
    stray_problems,
)
from sysnoise.pipelines.verification.recipe import compare_with_recipe
from sysnoise.pipelines.verification.request import (
    CheckedPart,
    Depth,
    Regeneration,
    VerificationRequest,
)
from sysnoise.transforms.libraries import is_importable
from sysnoise.transforms.methods import install_line, unknown_name

UNFINISHED = "missing: this is not a finished set"
REST_UNCHECKED = "nothing else was checked, because {} says what the rest must be"


@dataclass(frozen=True)
class Verification:
    """The result of the checks.

    Attributes:
        url: path or fsspec URL of the set.
        files: number of files that were read.
        bytes: total length of these files.
        problems: the problems, sorted by path.
        notes: facts that may explain problems, but are none.
    """

    url: str
    files: int
    bytes: int
    problems: tuple[FileProblem, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON-compatible mapping."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the problems and the notes as text, one per line."""
        problems = [f"{problem.path}: {problem.message}" for problem in self.problems]
        return [*problems, *(f"note: {note}" for note in self.notes)]

    def summary(self) -> str:
        """Return one line that says how much was checked and how many problems there are."""
        found = f"{len(self.problems)} problem(s)" if self.problems else "no problems"
        return f"{self.url}: {found} in {self.files} files, {self.bytes / 1e6:.1f} MB"


def verify(url: str, request: VerificationRequest) -> Verification:
    """Check a set.

    Args:
        url: path or fsspec URL of the set.
        request: what is checked.

    Raises:
        InputError: there is nothing at the URL, at that of the source images or of the recipe.
        UsageError: the set does not have the variants or shards, or a library is missing.
    """
    root = open_root(url)
    present = frozenset(list_files(root))
    if layout.MANIFEST not in present:
        return _report(url, [], [FileProblem(layout.MANIFEST, UNFINISHED)])
    manifest, first = check_manifest(root)
    if manifest is None:
        return _report(url, [first], [], REST_UNCHECKED.format(layout.MANIFEST))
    try:
        held = held_variants(manifest, read_if_there(root, layout.PART))
    except PartError as error:
        return _report(
            url, [first], [FileProblem(layout.PART, str(error))], REST_UNCHECKED.format(layout.PART)
        )
    part = _part(url, manifest, held, request)
    if request.depth is Depth.PIXELS:
        _refuse_without_images(url, part)
        _prepare_decoding(manifest)
    if layout.FILES not in present:
        missing = FileProblem(layout.FILES, MISSING)
        return _report(url, [first], [missing], REST_UNCHECKED.format(layout.FILES))
    rows, second = check_files_table(root, manifest)
    if rows is None:
        return _report(url, [first, second], [], REST_UNCHECKED.format(layout.FILES))
    others: list[FileProblem] = []
    notes: list[str] = []
    if request.recipe is not None:
        others, notes = compare_with_recipe(manifest, rows, part, request.recipe)
    target = open_checked_set(root, present, manifest, rows, part, request.depth)
    results, problems = _check(target, rows)
    results = [first, second, *results]
    if request.regeneration is not None:
        again, more = _make_again(target, results, request.regeneration)
        others, notes = others + again, notes + more
    return _report(url, results, problems + others, *notes)


def _check(
    target: CheckedSet, rows: Sequence[FileRow]
) -> tuple[list[CheckedFile], list[FileProblem]]:
    """Check all files of the part, the numbers of the manifest, and files that belong to no set."""
    results, problems = check_all_files(target)
    counts = count_messages(target.manifest, rows)
    problems += [FileProblem(layout.MANIFEST, text) for text in counts]
    return results, problems + stray_problems(target.present, target.named_files())


def _report(
    url: str, results: Sequence[CheckedFile], problems: Sequence[FileProblem], *notes: str
) -> Verification:
    own = [problem for result in results for problem in result.problems]
    size = sum(result.bytes for result in results)
    found = {FileProblem(each.path, without_secrets(each.message)) for each in (*own, *problems)}
    return Verification(without_secrets(url), len(results), size, tuple(sorted(found)), notes)


def _make_again(
    target: CheckedSet, results: Sequence[CheckedFile], regeneration: Regeneration
) -> tuple[list[FileProblem], list[str]]:
    damaged = {problem.path for result in results for problem in result.problems}
    undamaged = {result.path for result in results} - damaged
    unusable = [path for path in (layout.PLAN, layout.SOURCES) if path not in undamaged]
    if unusable:
        return [
            FileProblem(path, "no sample can be made again without it") for path in unusable
        ], []
    # It is imported here because it loads the codecs.
    from sysnoise.pipelines.verification.regenerate import regenerate

    return regenerate(target, undamaged, regeneration.samples, regeneration.images)


def _part(
    url: str, manifest: Manifest, held: Sequence[str], request: VerificationRequest
) -> CheckedPart:
    ids = [variant["id"] for variant in manifest["variants"]]
    for variant in request.variants:
        if variant not in ids:
            raise UsageError(unknown_name("variant", variant, ids))
        if variant not in held:
            raise UsageError(f"{url!r} holds no images of {variant!r}")
    count = manifest["counts"]["shards"]
    shards = request.shards.resolve(count) if request.shards else range(count)
    variants = frozenset(request.variants or held)
    is_whole = len(variants) == len(held) and len(shards) == count
    return CheckedPart(variants, frozenset(held), shards, is_whole)


def _refuse_without_images(url: str, part: CheckedPart) -> None:
    if not part.held:
        raise UsageError(
            f"{url!r} holds no images that --pixels could decode; --regenerate compares digests "
            "with pixels made from the sources"
        )


def _prepare_decoding(manifest: Manifest) -> None:
    """Refuse images whose library is missing, and lift Pillow's size limit: the set has its own."""
    if manifest["image_format"]["name"] == "jxl" and not is_importable("imagecodecs"):
        raise UsageError(f"decoding the images needs imagecodecs: {install_line('jxl')}")
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
