"""The shipped configs of families of models, and how a config is found by name or path."""

from __future__ import annotations

import importlib.resources
from importlib.resources.abc import Traversable
from pathlib import Path

from sysnoise.manifests.bounded import DOCUMENT_BYTES
from sysnoise.pipelines.errors import InputError, UsageError
from sysnoise.pipelines.evaluation.config import ModelConfig, parse_config
from sysnoise.pipelines.storage.reading import read_text
from sysnoise.transforms.methods import unknown_name

SUFFIXES = (".yaml", ".yml")


def config_names() -> list[str]:
    """Return the names of the shipped configs, sorted."""
    return sorted(
        file.name.removesuffix(".yaml")
        for file in _folder().iterdir()
        if file.name.endswith(".yaml")
    )


def config_text(name: str) -> str:
    """Return a shipped config as YAML; its first line is a comment on the models it is for.

    Raises:
        UsageError: there is no such config.
    """
    if name not in config_names():
        known = unknown_name("config", name, config_names())
        raise UsageError(f"{known}; or give the path of a YAML file")
    return (_folder() / f"{name}.yaml").read_text("utf-8")


def load_config(name_or_file: str) -> ModelConfig:
    """Read a config.

    Args:
        name_or_file: the path or fsspec URL of a YAML file, or the name of a shipped config; a
            file of that name goes before.

    Raises:
        UsageError: there is no such file, or it is bad; all its problems are listed.
    """
    if not _is_path(name_or_file):
        return parse_config(config_text(name_or_file), f"{name_or_file}.yaml")
    try:
        content = read_text(name_or_file, "config", DOCUMENT_BYTES)
    except InputError as error:
        raise UsageError(str(error)) from error
    return parse_config(content, name_or_file)


def _is_path(name_or_file: str) -> bool:
    return "/" in name_or_file or name_or_file.endswith(SUFFIXES) or Path(name_or_file).is_file()


def _folder() -> Traversable:
    return importlib.resources.files(__package__) / "configs"
