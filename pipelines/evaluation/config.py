"""CONFIG.yaml, in which a user describes the input and the outputs of a model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn, TypeVar, cast

from sysnoise.manifests.bounded import DOCUMENT_BYTES
from sysnoise.manifests.yaml_file import YamlError, read_yaml
from sysnoise.pipelines.errors import InputError, UsageError
from sysnoise.pipelines.scoring.statistics import is_finite_number
from sysnoise.pipelines.storage.reading import read_text
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.model.boxes import (
    BoxesHead,
    BoxFormat,
    BoxUnits,
    Detector,
    Nms,
    NmsClasses,
    YoloHead,
    YoloOutput,
)
from sysnoise.transforms.model.input import ChannelOrder, InputFit, InputSpec, InputType, Layout
from sysnoise.transforms.problems import DocumentPath, DocumentProblem

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=Enum)
Triple = tuple[float, float, float]

_COCO_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
CATEGORIES: Mapping[str, tuple[int, ...]] = {
    "coco80": tuple(number for number in range(1, 91) if number not in _COCO_GAPS),
}
"""The ids of the classes of common detectors; COCO's are those of ``instances_val2017.json``."""

_MAPPING = "a mapping of settings"

PAD = 114
SCORE_THRESHOLD = 0.001
MAX_DETECTIONS = 100

LONGEST_SIDE = 2**13
"""Largest number of pixels of a side of the input."""
MOST_DETECTIONS = 10_000
"""Largest ``max_detections``, where COCO counts 100 of a category."""
MOST_ANCHORS = 1000
"""Largest number of anchors of an output, of which detectors have three to nine."""
LARGEST_LEVEL = 1e6
"""Largest mean, scale and anchor, and the inverse of the smallest scale: float32 holds more."""
LARGEST_ID = 2**31 - 1
"""Largest id of a category, which the predictions hold as int32."""
SHOWN = 80
"""Number of characters of a value that a message shows."""


class Task(Enum):
    """What a model does."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"


class Background(Enum):
    """Which class of a classifier is not a class of the dataset."""

    FIRST = "first"
    NONE = "none"


class HeadType(Enum):
    """How a detector's outputs hold boxes."""

    YOLO = "yolo"
    BOXES = "boxes"


@dataclass(frozen=True)
class Classifier:
    """How a classifier's output is processed.

    Attributes:
        output: the name of the output, N x classes.
        background: the class that is left out; the classes after it move up.
    """

    output: str
    background: Background

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        return (self.output,)


@dataclass(frozen=True)
class ModelConfig:
    """The input and the outputs of a model.

    Attributes:
        input: the input that the model expects.
        task: how the outputs are processed.
    """

    input: InputSpec
    task: Classifier | Detector

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        return self.task.names if isinstance(self.task, Classifier) else self.task.head.names

    def document(self) -> dict[str, Any]:
        """Return everything that decides predictions as a JSON-compatible mapping."""
        text = json.dumps(dataclasses.asdict(self), default=lambda member: member.value)
        return cast(dict[str, Any], json.loads(text))


def load_config(path: str) -> ModelConfig:
    """Read a config.

    Args:
        path: the path or fsspec URL of a YAML file.

    Raises:
        UsageError: there is no such file, or it is bad; all its problems are listed.
    """
    try:
        text = read_text(path, "config", DOCUMENT_BYTES)
    except InputError as error:
        raise UsageError(str(error)) from error
    return parse_config(text, path)


def parse_config(text: str, origin: str) -> ModelConfig:
    """Read a config.

    Args:
        text: the YAML text.
        origin: where the text comes from, for messages.

    Raises:
        UsageError: one message with all problems, each as ``origin:line:column: where: what``.
    """
    try:
        file = read_yaml(text, origin)
    except YamlError as error:
        raise UsageError(str(error)) from error
    problems = list(file.doubled)
    config = _read_config(_Section(file.document, (), problems))
    if problems:
        raise UsageError("\n".join(file.located(problems, "config")))
    return config()


def _refused() -> NoReturn:
    raise AssertionError("a config with problems is refused, so nothing is made of it")


class _Section:
    """A mapping of the file whose values are taken one by one, while problems are collected.

    Taking a value gives a function that returns it. These functions are called to make a config,
    which happens only if the file has no problems.
    """

    def __init__(
        self,
        value: object,
        path: DocumentPath,
        problems: list[DocumentProblem],
        expected: str = _MAPPING,
    ) -> None:
        self._path = path
        self._problems = problems
        self._values: Mapping[Any, Any] | None = value if isinstance(value, Mapping) else None
        if self._values is None:
            self.report((), f"expected {expected}, found {_shown(value)}")

    def only(self, *fields: str) -> None:
        """Report keys that are none of these."""
        for key in self._values or ():
            if key not in fields:
                self.report((str(key),), unknown_name("setting", key, fields))

    def raw(self, name: str) -> Any:
        """Return a value as it is in the file, or None."""
        return None if self._values is None else self._values.get(name)

    def take(
        self, name: str, read: Callable[[Any], Value], default: Value | None = None
    ) -> Callable[[], Value]:
        """Take what ``read`` makes of a value; it raises ValueError where the value is wrong."""
        if self._values is None:
            return _refused
        if name not in self._values:
            if default is not None:
                return lambda: default
            self.report((), f"{name!r} is missing")
            return _refused
        try:
            value = read(self._values[name])
        except ValueError as error:
            self.report((name,), str(error))
            return _refused
        return lambda: value

    def section(self, name: str, expected: str = _MAPPING) -> _Section:
        """Return a value as a section of its own; a missing one is reported once."""
        if self._values is not None and name in self._values:
            return _Section(self._values[name], (*self._path, name), self._problems, expected)
        if self._values is not None:
            self.report((), f"{name!r} is missing")
        return _Section({}, self._path, [])

    def sections(self, name: str) -> list[_Section]:
        """Return the entries of a list as sections of their own."""
        self.take(name, _entries)
        entries = self.raw(name)
        return [
            _Section(entry, (*self._path, name, index), self._problems)
            for index, entry in enumerate(entries if isinstance(entries, list) else ())
        ]

    def report(self, path: DocumentPath, problem: str) -> None:
        """Collect a problem of the section or of something in it."""
        self._problems.append(((*self._path, *path), problem))


def _read_config(config: _Section) -> Callable[[], ModelConfig]:
    config.take("task", _one_of(Task))
    spec = _read_input(config.section("input"))
    if config.raw("task") == Task.CLASSIFICATION.value:
        config.only("task", "input", "output", "background")
        classifier = _read_classifier(config)
        return lambda: ModelConfig(spec(), classifier())
    if config.raw("task") == Task.DETECTION.value:
        detector_fields = ("head", "categories", "score_threshold", "nms", "max_detections")
        config.only("task", "input", *detector_fields)
        detector = _read_detector(config)
        return lambda: ModelConfig(spec(), detector())
    return _refused


def _read_input(section: _Section) -> Callable[[], InputSpec]:
    section.only("name", "size", "layout", "channels", "mean", "scale", "dtype", "fit", "pad")
    name = section.take("name", _text)
    size = section.take("size", _size)
    layout = section.take("layout", _one_of(Layout))
    channels = section.take("channels", _one_of(ChannelOrder))
    dtype = section.take("dtype", _one_of(InputType), InputType.FLOAT32)
    fit = section.take("fit", _one_of(InputFit), InputFit.EXACT)
    pad = section.take("pad", _gray, PAD)
    if section.raw("pad") is not None and section.raw("fit") != InputFit.LETTERBOX.value:
        section.report(("pad",), "goes with fit letterbox only; leave it out")
    mean, scale = _read_levels(section)
    return lambda: InputSpec(
        name=name(),
        height=size()[0],
        width=size()[1],
        layout=layout(),
        channels=channels(),
        mean=mean(),
        scale=scale(),
        type=dtype(),
        fit=fit(),
        pad=pad(),
    )


def _read_levels(section: _Section) -> tuple[Callable[[], Triple], Callable[[], Triple]]:
    """Take mean and scale, which an input of type uint8 does not have."""
    if section.raw("dtype") != InputType.UINT8.value:
        return section.take("mean", _three_numbers), section.take("scale", _three_divisors)
    for name in ("mean", "scale"):
        if section.raw(name) is not None:
            section.report((name,), "does not go with dtype uint8; leave it out")
    return lambda: (0, 0, 0), lambda: (1, 1, 1)


def _read_classifier(config: _Section) -> Callable[[], Classifier]:
    output = config.take("output", _text)
    background = config.take("background", _one_of(Background), Background.NONE)
    return lambda: Classifier(output(), background())


def _read_detector(config: _Section) -> Callable[[], Detector]:
    head = _read_head(config.section("head"))
    categories = config.take("categories", _categories)
    score_threshold = config.take("score_threshold", _share, SCORE_THRESHOLD)
    nms = _read_nms(config)
    most = config.take("max_detections", _whole_number(MOST_DETECTIONS), MAX_DETECTIONS)
    return lambda: Detector(head(), categories(), score_threshold(), nms(), most())


def _read_head(head: _Section) -> Callable[[], YoloHead | BoxesHead]:
    head.take("type", _one_of(HeadType))
    if head.raw("type") == HeadType.YOLO.value:
        head.only("type", "outputs")
        return _read_grids(head)
    if head.raw("type") != HeadType.BOXES.value:
        return _refused
    head.only("type", "boxes", "scores", "labels", "format", "units")
    boxes, scores = head.take("boxes", _text), head.take("scores", _text)
    labels = head.take("labels", _text) if head.raw("labels") is not None else lambda: None
    box_format = head.take("format", _one_of(BoxFormat))
    units = head.take("units", _one_of(BoxUnits))
    return lambda: BoxesHead(boxes(), scores(), labels(), box_format(), units())


def _read_grids(head: _Section) -> Callable[[], YoloHead]:
    grids = []
    names: list[object] = []
    for output in head.sections("outputs"):
        output.only("name", "anchors")
        grids.append((output.take("name", _text), output.take("anchors", _anchors)))
        name = output.raw("name")
        if name and name in names:
            output.report(("name",), f"{name!r} is used twice")
        names.append(name)
    return lambda: YoloHead(tuple(YoloOutput(name(), anchors()) for name, anchors in grids))


def _read_nms(config: _Section) -> Callable[[], Nms | None]:
    if config.raw("nms") == "none":
        return lambda: None
    nms = config.section("nms", f"{_MAPPING}, or none")
    nms.only("iou", "classes")
    iou = nms.take("iou", _share)
    classes = nms.take("classes", _one_of(NmsClasses), NmsClasses.SEPARATE)
    return lambda: Nms(iou(), classes())


def _one_of(kind: type[Choice]) -> Callable[[Any], Choice]:
    valid = {member.value: member for member in kind}

    def read(value: Any) -> Choice:
        if not isinstance(value, str) or value not in valid:
            raise ValueError(unknown_name("choice", value, valid))
        return valid[value]

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        hint = "; put it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f"expected a text, found {_shown(value)}{hint}")
    return value


def _entries(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of at least one entry, found {_shown(value)}")
    return value


def _whole_number(most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or value < 1:
            raise ValueError(f"expected a whole number of at least 1, found {_shown(value)}")
        if value > most:
            raise ValueError(f"expected at most {most}, found {_shown(value)}")
        return value

    return read


def _shown(value: object) -> str:
    """Return a value as a message shows it, whatever its length."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _gray(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
        raise ValueError(f"expected a whole number from 0 to 255, found {_shown(value)}")
    return value


def _share(value: Any) -> float:
    if not is_finite_number(value) or not 0 <= value <= 1:
        raise ValueError(f"expected a number from 0 to 1, found {_shown(value)}")
    return float(value)


def _size(value: Any) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"expected [height, width], found {_shown(value)}")
    side = _whole_number(LONGEST_SIDE)
    return side(value[0]), side(value[1])


def _three_numbers(value: Any) -> Triple:
    numbers = value if isinstance(value, list) else [value] * 3
    if len(numbers) != 3 or not all(map(is_finite_number, numbers)):
        raise ValueError(
            f"expected a number, or three in the order of channels, found {_shown(value)}"
        )
    if max(map(abs, numbers)) > LARGEST_LEVEL:
        raise ValueError(f"expected at most {LARGEST_LEVEL:.0f}, found {_shown(value)}")
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def _three_divisors(value: Any) -> Triple:
    numbers = _three_numbers(value)
    if min(map(abs, numbers)) < 1 / LARGEST_LEVEL:
        raise ValueError(f"levels are divided by it, so it cannot be 0, found {_shown(value)}")
    if max(map(abs, numbers)) < 1:
        raise ValueError(
            f"counts levels of 0 to 255, found {_shown(value)}; give mean and scale x 255"
        )
    return numbers


def _anchors(value: Any) -> tuple[tuple[float, float], ...]:
    pairs = _entries(value)
    if len(pairs) > MOST_ANCHORS:
        raise ValueError(f"expected at most {MOST_ANCHORS} anchors, found {len(pairs)}")
    for pair in pairs:
        sizes = pair if isinstance(pair, list) and len(pair) == 2 else [0]
        if not all(is_finite_number(number) and 0 < number <= LARGEST_LEVEL for number in sizes):
            raise ValueError(
                f"expected [width, height] in pixels of the input, found {_shown(pair)}"
            )
    return tuple((float(width), float(height)) for width, height in pairs)


def _categories(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        if value not in CATEGORIES:
            raise ValueError(unknown_name("categories", value, CATEGORIES))
        return CATEGORIES[value]
    ids = _entries(value)
    if not all(type(number) is int and 0 <= number <= LARGEST_ID for number in ids):
        raise ValueError(
            f"expected a name ({', '.join(CATEGORIES)}) or one id per class, found {_shown(value)}"
        )
    if len(set(ids)) < len(ids):
        raise ValueError("an id is listed twice")
    return tuple(ids)
