"""The registries with the methods of other distributions, which Python's entry points name.

A distribution gives a decoder in the group ``sysnoise.decoders``, a resize in ``sysnoise.resizes``
and a library that is not registered here in ``sysnoise.libraries``. An entry point is called like
the one :class:`Decoder`, :class:`Method` or :class:`Library` that it leads to. One that cannot be
loaded, or whose name is taken, is left out with a warning that names the distribution.

The groups are read when this module is loaded, which the modules that such a distribution needs
do not do. So it can be imported first, too.

Source: Python Packaging Authority, "Entry points specification".
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import re
import warnings
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

from sysnoise.transforms.codecs.decoders import DECODERS as DECODERS
from sysnoise.transforms.codecs.decoders import Decoder
from sysnoise.transforms.errors import plain_message
from sysnoise.transforms.libraries import LIBRARIES, Library
from sysnoise.transforms.methods import AnyMethod, Method, registry
from sysnoise.transforms.resizers import RESIZES as RESIZES

_SAFE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""The names that ids and paths can hold."""

Found = TypeVar("Found", bound=Library | Method[Any])


def join_entry_points() -> None:
    """Add what entry points name to the registries, in the order of the names."""
    entries = sorted(_entry_points(), key=lambda each: each.name)

    def add(group: str, join: Callable[[EntryPoint], None]) -> None:
        for entry in (each for each in entries if each.group == group):
            try:
                join(entry)
            except Exception as error:  # noqa: BLE001 - a module may raise anything when imported.
                warnings.warn(
                    f"{entry.name!r} of {_distribution(entry)} in {group!r} is left out: "
                    f"{plain_message(error)}",
                    stacklevel=2,
                )

    add("sysnoise.libraries", _join_library)
    add("sysnoise.decoders", lambda entry: _join(DECODERS, entry, Decoder))
    add("sysnoise.resizes", lambda entry: _join(RESIZES, entry, Method))


def _entry_points() -> list[EntryPoint]:
    """Return the entry points of the distributions that have any in these groups.

    ``importlib.metadata.entry_points`` would parse those of all distributions, which takes twice
    as long. Of two distributions of one name, Python's path has the first.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    for each in importlib.metadata.distributions():
        if "[sysnoise." in (each.read_text("entry_points.txt") or ""):
            found.setdefault(each.name, each)
    return [entry for each in found.values() for entry in each.entry_points]


def _join_library(entry: EntryPoint) -> None:
    library = _loaded(entry, Library)
    if library.name in LIBRARIES:
        raise ValueError(f"two libraries are called {library.name!r}")
    LIBRARIES[library.name] = library


def _join(methods: dict[str, AnyMethod], entry: EntryPoint, kind: type[AnyMethod]) -> None:
    loaded: AnyMethod = _loaded(entry, kind)
    method: AnyMethod = dataclasses.replace(loaded, distribution=_distribution(entry))
    methods.update(registry([*methods.values(), method]))


def _loaded(entry: EntryPoint, kind: type[Found]) -> Found:
    """Load what an entry point leads to.

    Raises:
        TypeError: it is of another kind.
        ValueError: it has another name, or one that is not safe in paths.
        Exception: of any type, by the module that is imported.
    """
    found = entry.load()
    if not isinstance(found, kind):
        raise TypeError(f"expected a {kind.__name__}, found {found!r}")
    if found.name != entry.name or not _SAFE.fullmatch(found.name):
        raise ValueError(
            f"expected the entry point's own name, of lower-case letters, digits and single "
            f"dashes, found {found.name!r}"
        )
    return found


def _distribution(entry: EntryPoint) -> str:
    """Return name and version as pip takes them: ``sysnoise-gray==1.2``."""
    return f"{entry.dist.name}=={entry.dist.version}" if entry.dist else "a distribution"


join_entry_points()
