"""Settings: an image variant, plus any noises of the model, plus any after it.

A setting is written ``decoder/resize/color+noise+noise``, such as
``pillow/pillow-bilinear/rgb+int8+box-offset-1``.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sysnoise.manifests.layout import variant_slug
from sysnoise.manifests.tables import DatasetKind
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.variant_ids import variant_id, variant_names, varied_axes


class Noise(Enum):
    """A column of the paper's tables (arXiv 2307.00280, tables 2 and 3), in their order.

    Source, geometry and provider, which runs the model, are not among the paper's; their columns
    follow where a set or its predictions have them.
    """

    DECODE = "decode"
    RESIZE = "resize"
    COLOR = "color"
    FP16 = "fp16"
    INT8 = "int8"
    CEIL_MODE = "ceil mode"
    UPSAMPLE = "upsample"
    POST_PROCESSING = "post-processing"
    SOURCE = "source"
    GEOMETRY = "geometry"
    PROVIDER = "provider"


IMAGE_NOISES: Mapping[Noise, str] = {
    Noise.DECODE: "decoder",
    Noise.RESIZE: "resize",
    Noise.COLOR: "color",
    Noise.SOURCE: "source",
    Noise.GEOMETRY: "geometry",
}
"""The noises in the stored pixels, and the axes of a variant's id that they are."""

METHODS: Mapping[Noise, tuple[str, ...]] = {
    Noise.FP16: ("fp16",),
    Noise.INT8: ("int8",),
    Noise.CEIL_MODE: ("ceil-mode", "floor-mode"),
    Noise.UPSAMPLE: ("upsample-bilinear", "upsample-nearest"),
    Noise.POST_PROCESSING: ("box-offset-1",),
    Noise.PROVIDER: ("provider",),
}
"""Methods of the other noises. A name may continue, as in ``int8-symmetric-per-channel``."""

_OF_DETECTION = (Noise.UPSAMPLE, Noise.POST_PROCESSING)
_OF_SOME_SETS = (Noise.SOURCE, Noise.GEOMETRY)


def noises_of(kind: DatasetKind) -> tuple[Noise, ...]:
    """Return the noises that every set of a dataset's task can have, in the order of the columns.

    They are the paper's, and the provider.
    """
    detects = kind is DatasetKind.COCO
    return tuple(
        noise
        for noise in Noise
        if noise not in _OF_SOME_SETS and (detects or noise not in _OF_DETECTION)
    )


def columns_of(
    kind: DatasetKind, variants: Iterable[str], predicted: Container[Noise]
) -> tuple[Noise, ...]:
    """Return the columns of a table: the paper's, and those that the set or its predictions add.

    Args:
        kind: kind of the dataset.
        variants: ids of the set's variants, which may vary axes of their own.
        predicted: the noises that there are predictions of.
    """
    varied = varied_axes(variants)
    papers = (noise for noise in noises_of(kind) if noise is not Noise.PROVIDER)
    others = (noise for noise in _OF_SOME_SETS if IMAGE_NOISES[noise] in varied)
    provider = (noise for noise in (Noise.PROVIDER,) if noise in predicted)
    return (*papers, *others, *provider)


@dataclass(frozen=True)
class Setting:
    """The images that a model was run on, and the noises of the model.

    Attributes:
        variant: id of the image variant.
        methods: methods of the noises in and after the model, in the order of the columns.
    """

    variant: str
    methods: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """``decoder/resize/color+noise+noise``."""
        return "+".join((self.variant, *self.methods))

    @property
    def slug(self) -> str:
        """``decoder__resize__color+noise+noise``, where a slash cannot stand."""
        return "+".join((variant_slug(self.variant), *self.methods))

    def method(self, noise: Noise) -> str | None:
        """Return the setting's method of a noise; None where the model is as it was trained."""
        if noise in IMAGE_NOISES:
            return variant_names(self.variant)[IMAGE_NOISES[noise]]
        return next((each for each in self.methods if _noise_of(each) is noise), None)

    def with_method(self, noise: Noise, method: str) -> Setting:
        """Return the setting with another method of a noise."""
        if noise in IMAGE_NOISES:
            names = variant_names(self.variant) | {IMAGE_NOISES[noise]: method}
            return Setting(variant_id(names), self.methods)
        others = (each for each in self.methods if _noise_of(each) is not noise)
        return Setting(self.variant, _in_order((*others, method)))

    def changes(self, baseline: Setting) -> tuple[Noise, ...]:
        """Return the noises in which the setting differs from the baseline."""
        return tuple(each for each in Noise if self.method(each) != baseline.method(each))


def parse_setting(text: str, variants: Sequence[str], noises: Sequence[Noise]) -> Setting:
    """Read a setting.

    Args:
        text: the setting, with the variant's id or slug and noises in any order.
        variants: ids of the variants of the set.
        noises: noises of the task.

    Raises:
        ValueError: an unknown variant or noise, or two methods of one noise.
    """
    name, *methods = text.split("+")
    ids = {variant_slug(variant): variant for variant in variants}
    variant = ids.get(variant_slug(name))
    if variant is None:
        raise ValueError(unknown_name("variant", name, variants))
    found = [_known(method, noises) for method in methods]
    for noise in noises:
        same = [method for method, each in zip(methods, found, strict=True) if each is noise]
        if len(same) > 1:
            raise ValueError(f"{' and '.join(same)} are both methods of {noise.value}; give one")
    return Setting(variant, _in_order(methods))


def _known(method: str, noises: Sequence[Noise]) -> Noise:
    noise = _noise_of(method)
    if noise is None or noise not in noises:
        valid = [name for each in noises for name in METHODS.get(each, ())]
        raise ValueError(unknown_name("noise", method, valid))
    return noise


def _noise_of(method: str) -> Noise | None:
    """Return the noise that a method outside of the image belongs to."""
    for noise, names in METHODS.items():
        if any(re.fullmatch(rf"{re.escape(name)}(-[A-Za-z0-9._-]+)?", method) for name in names):
            return noise
    return None


def _in_order(methods: Sequence[str]) -> tuple[str, ...]:
    return tuple(each for noise in METHODS for each in methods if _noise_of(each) is noise)
