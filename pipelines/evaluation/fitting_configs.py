"""Which of the shipped configs fit a model, where the one that was given does not."""

from __future__ import annotations

from onnx import ModelProto

from sysnoise.pipelines.errors import InputError, UsageError
from sysnoise.pipelines.evaluation.completing import class_names
from sysnoise.pipelines.evaluation.config import Classifier, ModelConfig
from sysnoise.pipelines.evaluation.model_check import fit_model
from sysnoise.pipelines.evaluation.model_tensors import metadata_of, without_weights
from sysnoise.pipelines.evaluation.named_configs import config_names, load_config
from sysnoise.pipelines.evaluation.request import SetClasses
from sysnoise.transforms.pixels import Size


def other_configs(config: ModelConfig, model: ModelProto, common: Size) -> str | None:
    """Return the advice which shipped configs fit a model that another config does not fit.

    Args:
        config: the config that was given.
        model: the model with its graph.
        common: the size at which a model of any size is looked at.

    Returns:
        A line that names them, and what the outputs look like where that is the other task; None
        where none fits, or where it is only the set's classes that the given config does not fit.
    """
    light = without_weights(model)
    if _fits(config, light, common):
        return None
    shipped = {name: load_config(name) for name in config_names()}
    fitting = [name for name, each in shipped.items() if _fits(each, light, common)]
    classifying = [name for name in fitting if isinstance(shipped[name].task, Classifier)]
    listed = ", ".join(classifying or fitting)  # N x classes may also be taken for boxes.
    if not fitting:
        return None
    if isinstance(config.task, Classifier) == bool(classifying):
        return f"shipped configs that fit the model: {listed}"
    kind = "a classifier" if classifying else "a detector"
    return f"its outputs look like those of {kind}; configs that fit it: {listed}"


def _fits(config: ModelConfig, model: ModelProto, common: Size) -> bool:
    """Whether inputs and outputs are what a config says, for a set of the model's own classes."""
    names = {name: number for number, name in enumerate(class_names(metadata_of(model)) or ())}
    try:
        fit_model(config, model, SetClasses((), names=names, common=common))
    except (UsageError, InputError):
        return False
    return True
