"""``sysnoise verify``: whether a finished set, or a part of it, is what its manifest says.

All problems are collected. Where the manifest or the files table is damaged, the other files are
checked against the plan, the receipts and the sums; the checks end early only if these cannot be
used either. Neither Beam nor the codecs that made the set are loaded, unless samples are made
again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sysnoise.manifests import layout
from sysnoise.manifests.errors import PartError
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.part import held_variants
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.storage.listing import list_all_files
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root, open_root
from sysnoise.pipelines.verification.all_files import check_all_files
from sysnoise.pipelines.verification.checked_file import (
    MISSING,
    CheckedFile,
    FileProblem,
    collected,
)
from sysnoise.pipelines.verification.checked_set import CheckedSet, SetIndex, open_checked_set
from sysnoise.pipelines.verification.facts import SetFacts
from sysnoise.pipelines.verification.index import count_messages, stray_problems
from sysnoise.pipelines.verification.manifest_check import plan_differences
from sysnoise.pipelines.verification.recipe import compare_with_recipe
from sysnoise.pipelines.verification.recovery import likely_held, read_set_index
from sysnoise.pipelines.verification.request import (
    CheckedPart,
    Depth,
    Regeneration,
    VerificationRequest,
)
from sysnoise.transforms.libraries import is_importable
from sysnoise.transforms.methods import install_line, unknown_name
from sysnoise.transforms.quantities import counted, size_text

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
        remedy: what mends the set; None where there are no problems.
    """

    url: str
    files: int
    bytes: int
    problems: tuple[FileProblem, ...]
    notes: tuple[str, ...]
    remedy: str | None

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON-compatible mapping."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the problems and the notes as text, one per line."""
        problems = [f"{problem.path}: {problem.message}" for problem in self.problems]
        return [*problems, *(f"note: {note}" for note in self.notes)]

    def summary(self) -> str:
        """Return one line that says how much was checked and how many problems there are."""
        found = counted(len(self.problems), "problem") if self.problems else "no problems"
        return f"{self.url}: {found} in {counted(self.files, 'file')}, {size_text(self.bytes)}"


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
    present = frozenset(list_all_files(root))
    if layout.MANIFEST not in present:
        return _report(url, present, [], [FileProblem(layout.MANIFEST, UNFINISHED)])
    index, first = read_set_index(root, present)
    if index is None:
        return _unusable(url, present, first)
    held, problems = _held(root, present, index)
    part = _part(url, index.facts, held, request)
    if request.depth is Depth.PIXELS:
        _refuse_without_images(url, part)
        _prepare_decoding(index.facts)
    notes: list[str] = []
    if request.recipe is not None and index.manifest is not None:
        differing, notes = compare_with_recipe(index.manifest, index.rows, part, request.recipe)
        problems += differing
    target = open_checked_set(root, present, index, part, request.depth)
    results, found = _check(target)
    results = [*first, *results]
    if request.regeneration is not None:
        again, more = _make_again(target, results, request.regeneration)
        found, notes = found + again, notes + more
    return _report(url, present, results, problems + found, *notes)


def _unusable(url: str, present: frozenset[str], results: Sequence[CheckedFile]) -> Verification:
    """Return the result where nothing says what the files must be."""
    absent = [FileProblem(layout.FILES, MISSING)] if layout.FILES not in present else []
    damaged = [result.path for result in results if result.problems]
    named = " and ".join(damaged + [problem.path for problem in absent])
    return _report(url, present, results, absent, REST_UNCHECKED.format(named))


def _check(target: CheckedSet) -> tuple[list[CheckedFile], list[FileProblem]]:
    """Check all files of the part, the numbers of the manifest, and files that belong to no set."""
    results, problems = check_all_files(target)
    index = target.index
    if index.manifest is not None:
        damaged = {problem.path for result in results for problem in result.problems}
        # A plan whose grid has another name is still one, but shows nothing about the manifest.
        plan = None if layout.PLAN in damaged else index.plan
        messages = collected(_manifest_messages(index.manifest, plan, index))
        problems += [FileProblem(layout.MANIFEST, text) for text in messages]
    if layout.FILES not in target.present:
        problems.append(FileProblem(layout.FILES, MISSING))
    return results, problems + stray_problems(target.present, target.named_files())


def _manifest_messages(manifest: Manifest, plan: Plan | None, index: SetIndex) -> Iterator[str]:
    if plan is not None:
        yield from plan_differences(manifest, plan)
    if index.has_table:
        yield from count_messages(manifest, index.rows)


def _report(
    url: str,
    present: Collection[str],
    results: Sequence[CheckedFile],
    problems: Sequence[FileProblem],
    *notes: str,
) -> Verification:
    own = [problem for result in results for problem in result.problems]
    size = sum(result.bytes for result in results)
    found = {FileProblem(each.path, without_secrets(each.message)) for each in (*own, *problems)}
    remedy = _remedy(present, {each.path for each in found}) if found else None
    sorted_problems = tuple(sorted(found))
    return Verification(
        without_secrets(url), len(results), size, sorted_problems, notes, remedy=remedy
    )


def _remedy(present: Collection[str], damaged: Collection[str]) -> str:
    """Say what mends a set, which only a copy of some variants shows to be a copy.

    Args:
        present: paths of the files that are there.
        damaged: paths of the files that have problems.
    """
    again = "run the 'sysnoise fetch' or 'publish' that copied it again: it replaces what differs"
    if layout.PART in present:
        return f"to repair this copy, {again}"
    own = "delete the files that are named and run its 'sysnoise generate' again"
    if layout.PLAN in damaged:
        own = (
            f"give 'sysnoise generate' another output, because {layout.PLAN} says what this one is"
        )
    return f"to repair a set that was made here, {own}; to repair a copy, {again}"


def _make_again(
    target: CheckedSet, results: Sequence[CheckedFile], regeneration: Regeneration
) -> tuple[list[FileProblem], list[str]]:
    damaged = {problem.path for result in results for problem in result.problems}
    there = {result.path: result.sha256 for result in results}
    unusable = [
        path for path in (layout.PLAN, layout.SOURCES) if path in damaged or path not in there
    ]
    if unusable:
        return [
            FileProblem(path, "no sample can be made again without it") for path in unusable
        ], []
    stated = {row.path for row in target.index.rows if there.get(row.path) == row.sha256}
    # It is imported here because it loads the codecs.
    from sysnoise.pipelines.verification.regenerate import regenerate

    return regenerate(target, stated, regeneration.samples, regeneration.images)


def _held(
    root: Root, present: frozenset[str], index: SetIndex
) -> tuple[tuple[str, ...], list[FileProblem]]:
    """Return the ids of the variants whose images are there, and what is wrong with that."""
    facts = index.facts
    part = None
    try:
        part = read_file(root, layout.PART) if layout.PART in present else None
        if index.is_stated and index.manifest is not None:
            held = held_variants(index.manifest, part)
        elif part is None:
            held = facts.variants if facts.formats else ()
        else:
            held = likely_held(facts, index.rows, present, part)
    except (PartError, OSError) as error:
        problem = FileProblem(layout.PART, str(error))
        return likely_held(facts, index.rows, present, part), [problem]
    if part is None and layout.PART in index.sums:
        problem = FileProblem(layout.PART, f"{MISSING}, though {layout.SUMS} names it")
        return likely_held(facts, index.rows, present, None), [problem]
    return held, []


def _part(
    url: str, facts: SetFacts, held: Sequence[str], request: VerificationRequest
) -> CheckedPart:
    ids = facts.variants
    for variant in request.variants:
        if variant not in ids:
            raise UsageError(unknown_name("variant", variant, ids))
        if variant not in held:
            raise UsageError(f"{url!r} holds no images of {variant!r}")
    count = facts.shards
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


def _prepare_decoding(facts: SetFacts) -> None:
    """Refuse images whose library is missing, and lift Pillow's size limit: the set has its own."""
    if facts.image_format == "jxl" and not is_importable("imagecodecs"):
        raise UsageError(f"decoding the images needs imagecodecs: {install_line('jxl')}")
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
