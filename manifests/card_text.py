"""The text of the card of a set, in Markdown."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sysnoise.manifests.changes import methods_of
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.label_names import label_names
from sysnoise.manifests.layout import (
    IMAGE_COLUMN,
    MAX_BYTES,
    MAX_PIXELS,
    PICTURE,
    ShardFormat,
    hub_split,
)
from sysnoise.manifests.manifest import Manifest, MostLike
from sysnoise.manifests.pictured import PICTURE_FACTOR, pictured_variants
from sysnoise.manifests.plan import Plan, stack_variant
from sysnoise.manifests.publication import Dataset, Publication, bibtex, dataset_of, license_url
from sysnoise.manifests.published_place import PublishedPlace, published_place
from sysnoise.manifests.tables import DatasetKind, Duplicates, UnsupportedKinds
from sysnoise.manifests.title import title_of
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.difference import DifferenceDocument
from sysnoise.transforms.documents import GeometryDocument, orient_of
from sysnoise.transforms.text import one_line
from sysnoise.transforms.variant_ids import varied_axes

Blocks = Iterator[str]
"""Blocks of Markdown, with an empty line between them."""


def card_text(held: HeldSet, publication: Publication) -> str:
    """Return the card without its front matter."""
    dataset = dataset_of(held.manifest)
    place = published_place(publication)
    blocks = (
        f"# {_plain(title_of(held.manifest, publication))}",
        held.summary,
        _version(publication),
        *_picture(held, publication),
        *_part(held),
        *_words(held),
        *_loading(held, place),
        *_noise(held),
        *_making(held),
        *_checking(held, place),
        *_terms(held, dataset, publication),
        *_citation(dataset, publication),
    )
    return "\n\n".join(blocks) + "\n"


def generate_command(plan: Plan) -> str:
    """Return the command that makes a set from its source images and ``grid.yaml``.

    For a set without images, the command makes a WebDataset set that stores them.
    ``IMAGES``, ``LABELS``, ``ANNOTATIONS`` and ``NEW`` stand for paths.

    Args:
        plan: the plan of the set.
    """
    formats = plan.formats or (ShardFormat.WEBDATASET,)
    orient = orient_of(plan.grid_document)
    labels = {"label-file": "LABELS"}
    if plan.kind is DatasetKind.COCO:
        labels = {"annotations": "ANNOTATIONS"}
    options = {
        "images": "IMAGES",
        **labels,
        "split": plan.split,
        "limit": plan.samples,
        "grid": "grid.yaml",
        **({} if orient is Orient.STORED else {"orient": orient.value}),
        "format": formats[0].value if len(formats) == 1 else "both",
        "image-format": plan.image_format,
        "samples-per-shard": plan.samples_per_shard,
        **({} if plan.max_pixels == MAX_PIXELS else {"max-pixels": plan.max_pixels}),
        **({} if plan.max_bytes == MAX_BYTES else {"max-bytes": plan.max_bytes}),
        **({} if plan.image_column == IMAGE_COLUMN else {"image-column": plan.image_column}),
        "output": "NEW",
    }
    switches = {
        "--strict": plan.unsupported is UnsupportedKinds.REJECT,
        "--skip-duplicates": plan.duplicates is Duplicates.SKIP,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    words += [switch for switch, is_on in switches.items() if is_on]
    return shlex.join(("sysnoise", "generate", plan.kind.value, *words))


_PROOFS = {
    True: (
        "sysnoise verify NEW --recipe RECIPE",
        "proves that it is the same bit for bit",
    ),
    False: ("sysnoise compare RECIPE NEW", "says whether every image has the pixels of its digest"),
}
"""The command that checks a set made from a recipe, and what it proves.

The key says whether the recipe belongs to a set with images.
"""


def _picture(held: HeldSet, publication: Publication) -> Blocks:
    if publication.picture is None:
        return
    baseline, *others = map(_span, pictured_variants(held.manifest))
    yield f"![The noise of {publication.picture}]({PICTURE})"
    yield (
        f"The middle of {_span(publication.picture)}. In the upper row: the baseline {baseline}, "
        f"then {', '.join(others)}. Below each: its difference from the baseline, times "
        f"{PICTURE_FACTOR}."
    )


def _part(held: HeldSet) -> Blocks:
    """Say which images a copy lacks, and of one without any how they are made."""
    variants = held.manifest["counts"]["variants"]
    if held.held and len(held.held) < variants:
        yield (
            f"This copy holds the images of {len(held.held)} of the {variants} variants, which "
            "`part.json` names. Manifest, tables and digests are those of the whole set."
        )
    if held.held:
        return
    yield "## Make the images"
    yield (
        f"This {held.noun} has no pixels. It has what is needed to make them from the source "
        "images, and the digest of every image:"
    )
    check, proof = _PROOFS[bool(held.formats)]
    yield _code("sh", generate_command(held.plan), check)
    yield (
        f"makes the set in `NEW` and {proof}; `RECIPE` is this folder, and `grid.yaml` the file in "
        "it. `sources.parquet` names the source images, and `samples/` has the sha256 of each. The "
        f"library builds must be those below; `{' '.join(check.split()[:2])}` tells which are not."
    )
    if held.plan.kind is DatasetKind.IMAGENET:
        yield (
            "Leave out `--label-file` where the folders give the labels, and give `--classes` "
            "where the classes in `plan.json` have names that the images do not come with."
        )


_OPTIONAL_WORDS = {
    "source": "* **Source**: what becomes of a file before it is decoded, `--from-SOURCE`; "
    "without it, the file is as it is.",
    "geometry": "* **Geometry**: how an image is resized and cropped, `--at-GEOMETRY` at the end; "
    "without it, as in the baseline.",
}


def _optional_axes(held: HeldSet) -> list[str]:
    varied = varied_axes(variant["id"] for variant in held.manifest["variants"])
    return [axis for axis in varied if axis in _OPTIONAL_WORDS]


def _words(held: HeldSet) -> Blocks:
    yield "## Words"
    yield (
        "* **Variant**: all images through one decoder, one resize and one color conversion, named "
        "`decoder/resize/color`.\n"
        "* **Baseline**: the variant that stands for the training system, "
        f"{_span(held.baseline)}. Noise is measured against it.\n"
        "* **Slug**: the name of a variant where a slash cannot stand, `decoder__resize__color`."
        + "".join(f"\n{_OPTIONAL_WORDS[axis]}" for axis in _optional_axes(held))
    )
    grid = held.manifest["grid"]
    if "variants" in grid:
        yield (
            "* **Stack**: a variant with a name, which stands for the way from file to tensor in a "
            "framework or device."
        )
        yield _table(
            ("stack", "variant", "stands for"),
            [
                (
                    _plain(each["name"]),
                    _span(stack_variant(each)),
                    _plain(each.get("stands_for", "")),
                )
                for each in grid["variants"]
            ],
        )
    stored = f" Images are stored lossless, as {_plain(held.manifest['image_format']['name'])}."
    text = (
        "Every variant has the same samples in the same order in the same shards, so that the "
        "difference between two variants is the noise and nothing else."
    )
    yield text + stored if held.held else text


def _loading(held: HeldSet, place: PublishedPlace) -> Blocks:
    if not held.held:
        return
    slug = held.variants[-1]["slug"]
    split = hub_split(held.manifest["dataset"]["split"])
    yield "## Load"
    if place.command is None:
        yield (
            f"{place.folder} is this folder, or for Hugging Face `datasets` the name of the "
            "repository. There a variant is a configuration:"
        )
    else:
        yield f"This copies the set to the folder `{place.folder}`:"
        yield _code("sh", place.command)
        yield "In Hugging Face `datasets`, a variant is a configuration:"
    yield _code(
        "python",
        "from datasets import load_dataset",
        "",
        f'dataset = load_dataset("{place.repository}", "{slug}", split="{split}")',
    )
    tars = _tar_place(held)
    if tars:
        yield "With `webdataset`:"
        yield _code("python", *_webdataset_lines(held, f"{place.folder}/{tars}"))
    yield (
        "To measure what a model loses, run it on the baseline and on another variant: the samples "
        "are the same, so that the difference of its metric is the noise. With the package "
        "`sysnoise`, whose `check_shard` refuses damaged shards:"
    )
    first, last = held.variants[0]["id"], held.variants[-1]["id"]
    pair = dict.fromkeys((held.baseline if held.baseline in held.held else first, last))
    yield _code(
        "python",
        "from sysnoise import open_set",
        "",
        f'for pair in open_set("{place.folder}").paired({json.dumps(list(pair))}):',
        "    pair.key, pair.label, pair.images  # uint8, RGB, by variant",
    )
    yield from _columns(held)
    yield (
        "`croissant.json` describes the set for `mlcroissant`: the record set `samples` and, for "
        "Parquet shards, one record set per variant."
    )
    yield (
        "`samples/*.parquet` has one row per sample: its source, its geometry, its status in each "
        "decoder, and one column per slug with the digest of its pixels. `files.parquet` has one "
        "row per file; a file with `same_as` is not stored, because the file of that name has the "
        "same bytes. `manifest.json` has everything else."
    )


def _tar_place(held: HeldSet) -> str | None:
    """Return the glob of a variant whose tars lie in one folder, the last one, if there is any."""
    if ShardFormat.WEBDATASET not in held.formats:
        return None
    places = (held.places(each["id"], ShardFormat.WEBDATASET) for each in held.variants[::-1])
    return next((found[0] for found in places if len(found) == 1), None)


_READERS = {
    ShardFormat.WEBDATASET: "WebDataset",
    ShardFormat.PARQUET: "Parquet",
    None: "`sysnoise`",
}
"""The readers by the format of the shards; the package reads both."""


def _columns(held: HeldSet) -> Blocks:
    """Say what each reader calls the parts of a sample."""
    readers = [each for each in _READERS if each is None or each in held.formats]
    yield "What a sample has, by the names that each reader gives it:"
    yield _table(
        ("what", *(_READERS[each] for each in readers)),
        [
            (what, *(dict(zip(_READERS, names, strict=True))[each] for each in readers))
            for what, *names in _sample_parts(held)
        ],
    )
    if held.formats[-1] is ShardFormat.PARQUET and label_names(held.plan.classes):
        yield "In `datasets`, `label` is a `ClassLabel`, which knows the names of the classes."


def _sample_parts(held: HeldSet) -> Iterator[tuple[str, str, str, str]]:
    """Yield the parts of a sample, and what each reader calls them."""
    image_format = held.manifest["image_format"]["name"]
    yield "key", "`__key__`", "`key`", "`key`"
    yield "image", f"`{image_format}`", "`image`", "`images`, by variant"
    if _is_coco(held):
        yield "COCO's id of the image", "`image_id` in `json`", "`image_id`", "`image_id`"
        yield (
            *("objects, in pixels of the image", "`annotations` in `json`"),
            *("`annotations`", "`targets`"),
        )
    else:
        yield "label, 0-based in the order of the WordNet ids", "`cls`", "`label`", "`label`"
        yield (
            *("WordNet id and name of the class, where known", "`wnid`, `class_name` in `json`"),
            *("`wnid`, `class_name`", "-"),
        )
    yield "from the source image to this one", "`geometry` in `json`", "`geometry`", "`geometry`"


def _is_coco(held: HeldSet) -> bool:
    return held.manifest["dataset"]["kind"] == DatasetKind.COCO.value


def _webdataset_lines(held: HeldSet, tars: str) -> Iterator[str]:
    image_format = held.manifest["image_format"]["name"]
    members = ("__key__", "json" if _is_coco(held) else "cls", image_format)
    yield "import glob"
    yield ""
    yield "import webdataset as wds"
    yield ""
    yield f'shards = sorted(glob.glob("{tars}"))'
    yield 'for sample in wds.WebDataset(shards, shardshuffle=False).decode("rgb8"):'
    yield "    " + ", ".join(f'sample["{member}"]' for member in members)


def _noise(held: HeldSet) -> Blocks:
    manifest = held.manifest
    counts = manifest["counts"]
    yield "## How much noise"
    yield (
        f"Difference from the baseline over {counts['samples']} samples, in levels of 0 to 255: "
        "mean and largest absolute difference, PSNR of the pooled squared error, share of pixels "
        "that differ in any channel, and share of images that are identical. The last column "
        "names the earlier variant with which it shares most images."
    )
    yield _table(
        ("variant", "mean", "max", "PSNR", "changed pixels", "identical images", "most like"),
        [
            (_span(each["id"]), *_noise_cells(each["difference"]), _most_like(each["most_like"]))
            for each in manifest["variants"]
        ],
    )
    yield "By axis, pooled over the variants that differ from the baseline in that axis alone:"
    yield _table(
        ("axis", "variants", "mean", "max", "PSNR", "changed pixels", "identical images"),
        [
            (axis, str(noise["variants"]), *_noise_cells(noise))
            for axis, noise in manifest["noise"].items()
            if noise["variants"]
        ],
    )
    groups = identical_groups(manifest)
    if groups:
        yield "Variants whose images are all identical, as far as each decoder's own:"
        yield "\n".join("* " + ", ".join(map(_span, group)) for group in groups)
    yield (
        f"{counts['rejects']} of {counts['sources']} source images could not be used and are left "
        "out of all variants; `rejects.parquet` has the reasons."
        if counts["rejects"]
        else f"No source image was rejected: all {counts['sources']} are in every variant."
    )


def _noise_cells(noise: DifferenceDocument) -> tuple[str, ...]:
    if noise["mean"] is None:
        return ("-",) * 5
    return (
        f"{noise['mean']:.4f}",
        str(noise["maximum"]),
        "-" if noise["psnr"] is None else f"{noise['psnr']:.2f} dB",
        f"{noise['changed_share']:.1%}",
        f"{noise['identical_share']:.1%}",
    )


def _most_like(found: MostLike | None) -> str:
    return f"{_span(found['variant'])} ({found['share']:.1%})" if found else "-"


def identical_groups(manifest: Manifest) -> list[list[str]]:
    """Return the ids of variants that have the same pixels on all images, in grid order.

    Images that a decoder did not decode itself are left out, as everywhere in the statistics.
    """
    groups: dict[str, list[str]] = {}
    for variant in manifest["variants"]:
        like = variant["most_like"]
        group = groups[like["variant"]] if like is not None and like["share"] == 1 else []
        group.append(variant["id"])
        groups[variant["id"]] = group
    distinct = {id(group): group for group in groups.values()}
    return [group for group in distinct.values() if len(group) > 1]


_ORIENTS = {
    Orient.STORED: "",
    Orient.UPRIGHT: "; before everything else, every decoder's pixels are turned upright by the "
    "EXIF orientation of the source file (`--orient upright`)",
}
"""What the card says of how images are turned."""


def _other_geometry(document: GeometryDocument) -> str:
    """Return what the card says of a geometry besides the first."""
    parameters = {name: each for name, each in document.items() if name not in ("name", "rule")}
    pairs = f" ({_pairs(parameters)})" if parameters else ""
    return f", {_span(str(document['name']))}: {_span(str(document['rule']))}{pairs}"


def _making(held: HeldSet) -> Blocks:
    manifest, environment = held.manifest, held.manifest["environment"]
    geometry = dict(manifest["grid"]["geometry"])
    rule = geometry.pop("rule")
    yield "## How it was made"
    yield (
        f"By {_plain(manifest['generator']['name'])} {_plain(manifest['generator']['version'])}, "
        f"grid {_span(manifest['grid']['name'])} ({manifest['grid']['combine']}, color "
        f"{manifest['grid']['color_stage']}, seed {manifest['grid']['seed']}), geometry "
        f"{_span(str(rule))}"
        + (f" ({_pairs(geometry)})" if geometry else "")
        + "".join(map(_other_geometry, manifest["grid"].get("geometries", ())[1:]))
        + _ORIENTS[orient_of(manifest["grid"])]
        + ". The methods:"
    )
    methods = list(methods_of(held.plan.identities))
    yield _table(
        ("axis", "method", "library", "options"),
        [
            (
                _plain(name.removesuffix(f" {method['name']}")),
                _span(method["name"]),
                _plain(method["library"]),
                _pairs(method["options"]),
            )
            for name, method in methods
        ],
    )
    yield "The builds of these libraries, down to the codecs in them:"
    builds = {method["library"]: dict(method["build"]) for _, method in methods}
    yield _table(
        ("library", "version", "build"),
        [
            (_plain(library), _plain(build.pop("version")), _pairs(build))
            for library, build in sorted(builds.items())
        ],
    )
    system, processor = environment["os"], environment["cpu"]
    yield (
        f"On {_plain(system['system'])} ({_plain(system['libc'])}), "
        f"{_plain(processor['architecture'])} with {_plain(processor['features'])}, "
        f"{_plain(environment['python'])}, and the packages "
        f"{_pairs(environment['packages'])}."
    )


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{_plain(name)} {_plain(value)}" for name, value in values.items()) or "-"


def _plain(value: Any) -> str:
    """Return a value of a document as Markdown that shows it and does nothing else."""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return re.sub(r"[\\`<>\[\]|]", r"\\\g<0>", one_line(text))


def _span(text: str) -> str:
    """Return a text as Markdown's code, between more backticks than it has in a row."""
    shown = one_line(text).replace("|", r"\|")
    longest = max(map(len, re.findall("`+", shown)), default=0)
    space = " " if longest else ""
    return f"{'`' * (longest + 1)}{space}{shown}{space}{'`' * (longest + 1)}"


def _checking(held: HeldSet, place: PublishedPlace) -> Blocks:
    yield "## Check"
    yield _code("sh", "sha256sum --check --quiet SHA256SUMS", f"sysnoise verify {place.folder}")
    digests = (
        "`--pixels`, the digest of every image"
        if held.held
        else "`--regenerate K --images IMAGES`, the digests of K samples made from their sources"
    )
    yield (
        "The first compares every file but the manifest and the sums themselves; the second also "
        f"samples, order, counts and, with {digests}."
    )


def _terms(held: HeldSet, dataset: Dataset, publication: Publication) -> Blocks:
    yield "## Terms"
    text = (
        f"Images that are {dataset.title}'s stay under [its own terms]({dataset.terms}), which "
        "govern their redistribution."
    )
    if publication.license not in (None, dataset.terms):
        text = f"License of this set: {_plain(license_url(publication, dataset))}. {text}"
    if held.held:
        text += (
            " Where they do not allow it, `sysnoise publish --recipe-only` publishes the set "
            "without pixels."
        )
    yield text


def _version(publication: Publication) -> str:
    given = (f"Version {publication.version}", publication.date, publication.url)
    version = ", ".join(map(_plain, filter(None, given))) + "."
    if publication.author is None:
        return version
    contact = f", <{publication.contact}>" if publication.contact else ""
    return f"By {_plain(publication.author)}{contact}. {version}"


def _citation(dataset: Dataset, publication: Publication) -> Blocks:
    yield "## Citation"
    yield _code("bibtex", bibtex(publication, dataset))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (header, ["---"] * len(header), *rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _code(language: str, *lines: str) -> str:
    return "\n".join((f"```{language}", *lines, "```"))
