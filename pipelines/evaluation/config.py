"""CONFIG.yaml, in which a user describes the input and the outputs of a model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from sysnoise.manifests.yaml_file import YamlError, read_yaml
from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.evaluation.config_heads import DETECTOR_FIELDS, read_detector
from sysnoise.pipelines.evaluation.config_input import Constants, read_constants, read_input
from sysnoise.pipelines.evaluation.config_section import ConfigSection, Findings, refused
from sysnoise.pipelines.evaluation.config_values import Background, one_of, text
from sysnoise.transforms.model.boxes import Detector
from sysnoise.transforms.model.input import InputSpec
from sysnoise.transforms.problems import DocumentPath

LATER_FIELDS = ("activation", "constants", "left_open", "masks", "multiple")
"""Fields that configs had not at first; left out of documents where they are empty, so that these
stay as they were."""


class Task(Enum):
    """What a model does."""

    CLASSIFICATION = "classification"
    DETECTION = "detection"


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
        constants: what other inputs hold, by their names.
        left_open: places of the values that are still to be read from the model.
    """

    input: InputSpec
    task: Classifier | Detector
    constants: Constants = ()
    left_open: tuple[DocumentPath, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        return self.task.names if isinstance(self.task, Classifier) else self.task.head.names

    def document(self) -> dict[str, Any]:
        """Return everything that decides predictions as a JSON-compatible mapping."""
        plain = dataclasses.asdict(self, dict_factory=_document)
        return cast(
            dict[str, Any], json.loads(json.dumps(plain, default=lambda member: member.value))
        )


def _document(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if value or name not in LATER_FIELDS}


def parse_config(content: str, origin: str) -> ModelConfig:
    """Read a config.

    Args:
        content: the YAML text.
        origin: where the text comes from, for messages.

    Raises:
        UsageError: one message with all problems, each as ``origin:line:column: where: what``.
    """
    try:
        file = read_yaml(content, origin)
    except YamlError as error:
        raise UsageError(str(error)) from error
    findings = Findings(list(file.doubled))
    config = _read_config(ConfigSection(file.document, (), findings))
    if findings.problems:
        raise UsageError("\n".join(file.located(findings.problems, "config")))
    return dataclasses.replace(config(), left_open=tuple(findings.left_open))


def _read_config(config: ConfigSection) -> Callable[[], ModelConfig]:
    config.take("task", one_of(Task))
    spec, constants = read_input(config.section("input")), read_constants(config)
    if config.raw("task") == Task.CLASSIFICATION.value:
        config.only("task", "input", "constants", "output", "background")
        classifier = _read_classifier(config)
        return lambda: ModelConfig(spec(), classifier(), constants())
    if config.raw("task") == Task.DETECTION.value:
        config.only("task", "input", "constants", *DETECTOR_FIELDS)
        detector = read_detector(config)
        return lambda: ModelConfig(spec(), detector(), constants())
    return refused


def _read_classifier(config: ConfigSection) -> Callable[[], Classifier]:
    output = config.take_open("output", text, "")
    background = config.take("background", one_of(Background), Background.NONE)
    return lambda: Classifier(output(), background())
