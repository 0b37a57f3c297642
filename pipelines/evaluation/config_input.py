"""The part of CONFIG.yaml that describes the input of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sysnoise.pipelines.evaluation.config_section import AUTO, ConfigSection
from sysnoise.pipelines.evaluation.config_values import (
    LONGEST_SIDE,
    Triple,
    gray,
    numbers,
    one_of,
    shown,
    size,
    text,
    three_divisors,
    three_numbers,
    whole_number,
)
from sysnoise.transforms.model.input import ChannelOrder, InputFit, InputSpec, InputType, Layout

Constants = tuple[tuple[str, tuple[float, ...]], ...]
"""What inputs hold that are not the image, by their names."""

PAD = 114
MULTIPLE = 32

ANY = "any"
"""What a config says where a model takes images of any size."""
UNKNOWN_SIZE = (0, 0)
"""Stands for a size that the model or the set says."""
INPUT_FIELDS = (
    "name",
    "size",
    "layout",
    "channels",
    "mean",
    "scale",
    "dtype",
    "fit",
    "pad",
    "multiple",
)


def read_input(section: ConfigSection) -> Callable[[], InputSpec]:
    """Take the description of the input that gets the images."""
    section.only(*INPUT_FIELDS)
    name = section.take_open("name", text, "")
    sides = section.take_open("size", _size_or_any, UNKNOWN_SIZE)
    layout = section.take_open("layout", one_of(Layout), Layout.NCHW)
    channels = section.take("channels", one_of(ChannelOrder))
    dtype = _read_type(section)
    mean, scale = _read_levels(section)
    fit, pad, multiple = _read_fit(section)
    return lambda: InputSpec(
        name=name(),
        height=sides()[0],
        width=sides()[1],
        layout=layout(),
        channels=channels(),
        mean=mean(),
        scale=scale(),
        type=dtype(),
        fit=fit(),
        pad=pad(),
        multiple=multiple(),
    )


def read_constants(config: ConfigSection) -> Callable[[], Constants]:
    """Take what the other inputs hold, if the model has any."""
    return config.take("constants", _constants, ())


def _size_or_any(value: Any) -> tuple[int, int]:
    if value == ANY:
        return UNKNOWN_SIZE
    if isinstance(value, str):
        raise ValueError(f"expected [height, width], {ANY} or {AUTO}, found {shown(value)}")
    return size(value)


def _read_type(section: ConfigSection) -> Callable[[], InputType]:
    if section.raw("dtype") is None:
        return lambda: InputType.FLOAT32
    return section.take_open("dtype", one_of(InputType), InputType.FLOAT32)


def _read_fit(
    section: ConfigSection,
) -> tuple[Callable[[], InputFit], Callable[[], int], Callable[[], int | None]]:
    """Take the fit and what belongs to it."""
    if section.raw("fit") is None:
        fit: Callable[[], InputFit] = lambda: InputFit.EXACT  # noqa: E731
    else:
        fit = section.take_open("fit", one_of(InputFit), InputFit.EXACT)
    pads = section.raw("fit") in (InputFit.PAD.value, AUTO)
    letterboxes = (InputFit.LETTERBOX.value, InputFit.LETTERBOX_TOP_LEFT.value)
    pad = section.take("pad", gray, PAD)
    if section.raw("pad") is not None and not pads and section.raw("fit") not in letterboxes:
        section.report(("pad",), "goes with fit letterbox or pad only; leave it out")
    if (section.raw("size") == ANY) != (section.raw("fit") == InputFit.PAD.value):
        section.report((), "size any and fit pad go together; give both or neither")
    if section.raw("fit") == AUTO and section.raw("size") != AUTO:
        section.report(("fit",), f"{AUTO} goes with size {AUTO} only")
    multiple = section.take("multiple", whole_number(LONGEST_SIDE), MULTIPLE)
    if section.raw("multiple") is not None and not pads:
        section.report(("multiple",), "goes with fit pad only; leave it out")
    return fit, pad, multiple if pads else lambda: None


def _read_levels(section: ConfigSection) -> tuple[Callable[[], Triple], Callable[[], Triple]]:
    """Take mean and scale, which an input of type uint8 does not have."""
    if section.raw("dtype") != InputType.UINT8.value:
        return section.take("mean", three_numbers), section.take("scale", three_divisors)
    for name in ("mean", "scale"):
        if section.raw(name) is not None:
            section.report((name,), "does not go with dtype uint8; leave it out")
    return lambda: (0, 0, 0), lambda: (1, 1, 1)


def _constants(value: Any) -> Constants:
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"expected a mapping of inputs to numbers, found {shown(value)}")
    return tuple((text(name), numbers(each)) for name, each in value.items())
