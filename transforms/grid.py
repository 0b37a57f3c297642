"""Grids: the set of variants of a run and everything else that decides pixels."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sysnoise.transforms.codecs.decoders import DECODERS, Exif
from sysnoise.transforms.colors import COLORS
from sysnoise.transforms.digests import canonical_sha256
from sysnoise.transforms.errors import GridError
from sysnoise.transforms.geometry import (
    PRESETS,
    RULES,
    Geometry,
    Native,
    Placement,
    geometry_document,
)
from sysnoise.transforms.methods import (
    Method,
    get_method,
    identity,
    install_line,
    is_available,
    unknown_name,
)
from sysnoise.transforms.problems import DocumentPath, DocumentProblem, dotted_path
from sysnoise.transforms.resizers import RESIZES

AXES: Mapping[str, tuple[str, Mapping[str, Method[Any]]]] = {
    "decoders": ("decoder", DECODERS),
    "resizes": ("resize", RESIZES),
    "colors": ("color", COLORS),
}


class Combine(Enum):
    """How the axes of a grid make variants."""

    PRODUCT = "product"
    ONE_FACTOR = "one-factor"


class ColorStage(Enum):
    """Where the color mode stands: hardware converts before it resizes."""

    BEFORE_RESIZE = "before-resize"
    AFTER_RESIZE = "after-resize"


@dataclass(frozen=True, order=True)
class Variant:
    """One method of each axis.

    Attributes:
        decoder, resize, color: canonical names.
    """

    decoder: str
    resize: str
    color: str

    @property
    def id(self) -> str:
        """``decoder/resize/color``."""
        return f"{self.decoder}/{self.resize}/{self.color}"

    @property
    def slug(self) -> str:
        """``decoder__resize__color``, where a slash cannot stand."""
        return f"{self.decoder}__{self.resize}__{self.color}"

    @classmethod
    def parse(cls, variant_id: str) -> Variant:
        """Read an id; the paper's names are accepted.

        Raises:
            ValueError: not three parts, or an unknown name.
        """
        parts = variant_id.split("/")
        if len(parts) != 3:
            raise ValueError(f"expected decoder/resize/color, found {variant_id!r}")
        axes = AXES.values()
        names = [
            get_method(methods, kind, part).name
            for (kind, methods), part in zip(axes, parts, strict=True)
        ]
        return cls(*names)


BASELINE = Variant("pillow", "pillow-bilinear", "rgb")


@dataclass(frozen=True)
class Grid:
    """The variants of a run, with geometry, color stage, seed and baseline.

    Aliases are resolved to canonical names when a grid is made.

    Attributes:
        name: what people call the grid; does not decide pixels.
        decoders, resizes, colors: the names on each axis, in the order of the variants.
        geometry: what the resize aims at.
        baseline: the variant that stands for the training system.
        combine: product of the axes, or one factor at a time.
        color_stage: color mode before or after the resize.
        seed: of the random geometry.

    Raises:
        GridError: on making a grid with unknown names, settings that contradict each other, or
            methods whose library is not installed.
    """

    name: str
    decoders: tuple[str, ...]
    resizes: tuple[str, ...]
    colors: tuple[str, ...]
    geometry: Geometry
    baseline: Variant = BASELINE
    combine: Combine = Combine.PRODUCT
    color_stage: ColorStage = ColorStage.BEFORE_RESIZE
    seed: int = 0

    def __post_init__(self) -> None:
        problems = grid_problems(self.document())
        if problems:
            raise GridError("\n".join((f"grid {self.name!r}:", *_lines(problems))))
        for field, (kind, methods) in AXES.items():
            names = tuple(get_method(methods, kind, name).name for name in getattr(self, field))
            object.__setattr__(self, field, names)
        object.__setattr__(self, "baseline", Variant.parse(self.baseline.id))

    @functools.cached_property
    def variants(self) -> tuple[Variant, ...]:
        """All variants in grid order: decoder, resize, color; or the baseline, then each axis."""
        if self.combine is Combine.PRODUCT:
            return tuple(
                Variant(decoder, resize, color)
                for decoder in self.decoders
                for resize in self.resizes
                for color in self.colors
            )
        return tuple(dict.fromkeys((self.baseline, *self._one_factor())))

    def _one_factor(self) -> Iterator[Variant]:
        for decoder in self.decoders:
            yield dataclasses.replace(self.baseline, decoder=decoder)
        for resize in self.resizes:
            yield dataclasses.replace(self.baseline, resize=resize)
        for color in self.colors:
            yield dataclasses.replace(self.baseline, color=color)

    def variant(self, variant_id: str) -> Variant:
        """Return the variant of this grid with that id.

        Raises:
            ValueError: not in this grid; the message lists the ids.
        """
        variant = Variant.parse(variant_id)
        if variant not in self.variants:
            ids = (each.id for each in self.variants)
            raise ValueError(f"grid {self.name!r}: {unknown_name('variant', variant_id, ids)}")
        return variant

    def place(self, width: int, height: int, key: str) -> Placement:
        """Return where the geometry places a decoded image.

        Args:
            width: of the decoded image in pixels.
            height: of the decoded image in pixels.
            key: the sample's key, from which random geometries are drawn.
        """
        return _placement(self.geometry, width, height, self.seed, key)

    def document(self) -> dict[str, Any]:
        """Return the grid as the JSON-compatible mapping of a grid file."""
        return {
            "name": self.name,
            "decoders": list(self.decoders),
            "resizes": list(self.resizes),
            "colors": list(self.colors),
            "geometry": geometry_document(self.geometry),
            "baseline": self.baseline.id,
            "combine": self.combine.value,
            "color_stage": self.color_stage.value,
            "seed": self.seed,
        }

    def fingerprint(self) -> str:
        """Return the sha256, in hexadecimal, of everything in the grid that decides pixels."""
        document = self.document()
        del document["name"]
        return canonical_sha256(document)

    def identities(self) -> dict[str, dict[str, Any]]:
        """Return the identity of every method, by axis and name."""
        return {
            field: {name: identity(methods[name]) for name in getattr(self, field)}
            for field, (_, methods) in AXES.items()
        }

    @property
    def applies_exif(self) -> bool:
        """Whether a decoder of the grid turns images as their EXIF orientation says."""
        return any(DECODERS[name].exif is Exif.APPLIED for name in self.decoders)


@functools.lru_cache(maxsize=8)  # A sample has few sizes and asks for each several times.
def _placement(geometry: Geometry, width: int, height: int, seed: int, key: str) -> Placement:
    return geometry.place(width, height, seed, key)


def grid_from_document(document: Mapping[str, Any], name: str) -> Grid:
    """Make a grid from the mapping of a grid file or manifest.

    Args:
        document: as :meth:`Grid.document` gives it; everything but the axes and the geometry may be
            left out.
        name: of the grid, where the document gives none.

    Raises:
        GridError: the document has problems.
    """
    problems = grid_problems(document)
    if problems:
        raise GridError("\n".join(_lines(problems)))
    return Grid(
        name=document.get("name", name),
        decoders=tuple(document["decoders"]),
        resizes=tuple(document["resizes"]),
        colors=tuple(document["colors"]),
        geometry=_geometry(document["geometry"]),
        baseline=Variant.parse(document.get("baseline", BASELINE.id)),
        combine=Combine(document.get("combine", Combine.PRODUCT.value)),
        color_stage=ColorStage(document.get("color_stage", ColorStage.BEFORE_RESIZE.value)),
        seed=document.get("seed", 0),
    )


def _lines(problems: Iterable[DocumentProblem]) -> Iterator[str]:
    return (f"{dotted_path(path, 'grid')}: {message}" for path, message in problems)


def grid_problems(document: Any) -> list[DocumentProblem]:
    """List everything that is wrong with a grid's document, in the order of the fields."""
    if not isinstance(document, Mapping):
        return [((), "expected a mapping of decoders, resizes, colors, geometry and settings")]
    fields = {field.name for field in dataclasses.fields(Grid)}
    problems: list[DocumentProblem] = [
        ((str(key),), unknown_name("setting", key, sorted(fields)))
        for key in document
        if key not in fields
    ]
    for field, (kind, methods) in AXES.items():
        problems += _axis_problems(document, field, kind, methods)
    for path, (name, extra) in missing_extras(document).items():
        problems.append((path, f"{name!r} is not installed here: {install_line(extra)}"))
    problems += _geometry_problems(document)
    problems += _setting_problems(document)
    return problems + _contradictions(document)


def _axis_problems(
    document: Mapping[str, Any], field: str, kind: str, methods: Mapping[str, Method[Any]]
) -> list[DocumentProblem]:
    names = document.get(field)
    if not isinstance(names, list) or not names:
        return [((field,), f"expected a list of at least one {kind}; valid: {', '.join(methods)}")]
    problems: list[DocumentProblem] = []
    seen: set[str] = set()
    for index, name in enumerate(names):
        try:
            canonical = get_method(methods, kind, str(name)).name
        except ValueError as error:
            problems.append(((field, index), str(error)))
            continue
        if canonical in seen:
            problems.append(((field, index), f"{canonical!r} is listed twice"))
        seen.add(canonical)
    return problems


def missing_extras(document: Any) -> dict[DocumentPath, tuple[str, str]]:
    """Find the methods of a grid whose library is not installed: where, the name, the extra."""
    missing: dict[DocumentPath, tuple[str, str]] = {}
    for field, (_, methods) in AXES.items():
        names = document.get(field) if isinstance(document, Mapping) else None
        for index, name in enumerate(names if isinstance(names, list) else ()):
            method = methods.get(_canonical(methods, name) or "")
            if method and method.extra and not is_available(method):
                missing[field, index] = (method.name, method.extra)
    return missing


def _geometry_problems(document: Mapping[str, Any]) -> list[DocumentProblem]:
    value = document.get("geometry")
    if isinstance(value, str):
        known = value in PRESETS
        return [] if known else [(("geometry",), unknown_name("geometry", value, PRESETS))]
    if not isinstance(value, Mapping):
        presets = ", ".join(PRESETS)
        return [(("geometry",), f"expected a preset ({presets}) or a mapping with a rule")]
    rule = str(value.get("rule"))
    if rule not in RULES:
        return [(("geometry",), unknown_name("rule", rule, RULES))]
    fields = {field.name: field for field in dataclasses.fields(RULES[rule])}
    problems: list[DocumentProblem] = []
    for key, given in value.items():
        if key != "rule" and key not in fields:
            problems.append((("geometry", key), unknown_name("parameter", key, fields)))
        elif key != "rule" and not _fits(given, str(fields[key].type)):
            problems.append((("geometry", key), f"expected {fields[key].type}, found {given!r}"))
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING:
            problems.append((("geometry",), f"rule {rule!r} needs {name!r}"))
    if not problems:
        found = _geometry(value).problems()
        problems += [(("geometry",), message) for message in found]
    return problems


def _fits(value: Any, annotation: str) -> bool:
    """Whether a YAML value fits the type of a geometry's field: ``int`` or a pair of floats."""
    if annotation == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    pair = isinstance(value, list) and len(value) == 2
    return pair and all(
        isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        for number in value
    )


def _geometry(value: str | Mapping[str, Any]) -> Geometry:
    if isinstance(value, str):
        return PRESETS[value]
    parameters: dict[str, Any] = {
        key: tuple(map(float, given)) if isinstance(given, list) else given
        for key, given in value.items()
        if key != "rule"
    }
    return RULES[value["rule"]](**parameters)


def _setting_problems(document: Mapping[str, Any]) -> list[DocumentProblem]:
    problems: list[DocumentProblem] = []
    name = document.get("name", "grid")
    if not isinstance(name, str) or not name:
        problems.append((("name",), f"expected a text, found {name!r}"))
    for key, enum in {"combine": Combine, "color_stage": ColorStage}.items():
        valid = [member.value for member in enum]
        if key in document and document[key] not in valid:
            problems.append(((key,), unknown_name(key, document[key], valid)))
    seed = document.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        problems.append((("seed",), f"expected a whole number of at least 0, found {seed!r}"))
    try:
        Variant.parse(str(document.get("baseline", BASELINE.id)))
    except ValueError as error:
        problems.append((("baseline",), str(error)))
    return problems


def _contradictions(document: Mapping[str, Any]) -> list[DocumentProblem]:
    """Check settings against each other, as far as each is valid by itself."""
    problems: list[DocumentProblem] = []
    listed = {
        field: [_canonical(methods, name) for name in document.get(field) or ()]
        for field, (_, methods) in AXES.items()
        if isinstance(document.get(field), list)
    }
    parts = str(document.get("baseline", BASELINE.id)).split("/")
    baseline = {
        field: _canonical(methods, part)
        for (field, (_, methods)), part in zip(AXES.items(), parts, strict=False)
    }
    for field, name in baseline.items():
        if name and name not in listed.get(field, [name]):
            problems.append(((field,), f"the baseline's {name!r} is not among them"))
    decoder = _canonical(DECODERS, parts[0])
    if decoder and DECODERS[decoder].exif is Exif.APPLIED:
        text = f"{decoder!r} turns images, so it cannot stand for the training system"
        problems.append((("baseline",), text))
    if not _geometry_problems(document):
        native = isinstance(_geometry(document["geometry"]), Native)
        for index, resize in enumerate(listed.get("resizes", ())):
            if resize and native != (resize == "none"):
                text = f"resize 'none' and the native geometry go together, found {resize!r}"
                problems.append((("resizes", index), text))
    return problems + _color_problems(document, listed, baseline)


def _color_problems(
    document: Mapping[str, Any],
    listed: Mapping[str, list[str | None]],
    baseline: Mapping[str, str | None],
) -> list[DocumentProblem]:
    """Check that decoders that go with one color mode only meet no other one."""
    problems: list[DocumentProblem] = []
    one_factor = document.get("combine") == Combine.ONE_FACTOR.value
    for index, name in enumerate(listed.get("decoders", ())):
        only = DECODERS[name].color if name else None
        if only is None:
            continue
        varies = not one_factor or name == baseline.get("decoders")
        met = listed.get("colors", []) if varies else [baseline.get("colors")]
        others = ", ".join(repr(color) for color in met if color not in (None, only))
        if others:
            text = f"{name!r} goes with color {only!r} only, not with {others}"
            problems.append((("decoders", index), text))
    return problems


def _canonical(methods: Mapping[str, Method[Any]], name: object) -> str | None:
    try:
        return get_method(methods, "method", str(name)).name
    except ValueError:
        return None
