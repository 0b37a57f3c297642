"""The named methods of the noise axes, and how a name is looked up.

Decoders, resizes, colors and encoders are in registries of the same form: mappings from a method's
name to a :class:`Method`.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

from sysnoise.transforms.libraries import LIBRARIES, Build, is_importable, library_build

LONG_LIST = 14
"""Number of valid names from which on a message lists only the nearest beside a suggestion."""

NEAREST = 8
"""Number of these."""

_LISTS = {
    "config": "'sysnoise configs'",
    "decoder": "'sysnoise codecs'",
    "grid": "'sysnoise grids'",
    "model noise": "docs/evaluating.md",
    "resize": "docs/catalogue.md",
}
"""What lists the names of a kind."""

AXES = ("decoder", "resize", "color")
"""The noise axes, in the order of a variant's id."""

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Method(Generic[Function]):
    """One named entry of an axis.

    Attributes:
        name: the public name, without slash, dot or double underscore, for use in ids and paths.
        library: the library that does the work, a key of ``LIBRARIES``.
        function: the pure function.
        options: the options that the library gets, in its own terms; they are part of the identity.
        aliases: other names that are accepted for the same method.
        distribution: the name and version of the distribution that brings the method, such as
            ``sysnoise-gray==1.2``; None where it is this one.
    """

    name: str
    library: str
    function: Function
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    distribution: str | None = field(default=None, kw_only=True)

    @property
    def extra(self) -> str | None:
        """The extra of this package that installs the library; None where the core does."""
        return LIBRARIES[self.library].extra


AnyMethod = TypeVar("AnyMethod", bound=Method[Any])


class UnknownNameError(ValueError):
    """A name that is not in its registry; the message lists the valid ones."""


def registry(methods: Iterable[AnyMethod]) -> dict[str, AnyMethod]:
    """Index methods by name.

    Raises:
        ValueError: a name or alias is used twice, or a library is not registered.
    """
    by_name: dict[str, AnyMethod] = {}
    seen: set[str] = set()
    for method in methods:
        if method.library not in LIBRARIES:
            raise ValueError(
                f"the method {method.name!r} is done by the library {method.library!r}, which is "
                "not registered: add a Library of that name to LIBRARIES in "
                "sysnoise/transforms/libraries.py, or, from another distribution, to its entry "
                "points in the group 'sysnoise.libraries'"
            )
        for name in (method.name, *method.aliases):
            if name in seen:
                raise ValueError(f"two methods are called {name!r}")
            seen.add(name)
        by_name[method.name] = method
    return by_name


def get_method(methods: Mapping[str, AnyMethod], kind: str, name: str) -> AnyMethod:
    """Return the method called ``name``, by its name or an alias.

    Args:
        methods: the registry.
        kind: what the registry holds, for the message: "decoder", "resize", ...
        name: the name to look up.

    Raises:
        UnknownNameError: there is no such method; the message lists the valid names.
    """
    if name in methods:
        return methods[name]
    for method in methods.values():
        if name in method.aliases:
            return method
    raise UnknownNameError(unknown_name(kind, name, methods))


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> str:
    """Return the message for a name that is not among the valid ones.

    It lists all of these; where one is suggested and the list is long, those that are most like
    the name.
    """
    names = list(valid)
    close = closest_name(str(name), names)
    if close is None:
        return f"unknown {kind} {name!r}; valid: {', '.join(names)}"
    return f"unknown {kind} {name!r} (did you mean {close!r}?); valid: {_near(kind, name, names)}"


def _near(kind: str, name: object, names: Sequence[str]) -> str:
    """Return valid names as a message lists them beside a suggestion."""
    if len(names) <= LONG_LIST:
        return ", ".join(names)
    nearest = difflib.get_close_matches(str(name), names, n=NEAREST, cutoff=0)
    listed = ", ".join(each for each in names if each in nearest)
    lists = f"; {_LISTS[kind]} lists them" if kind in _LISTS else ""
    return f"{listed} and {len(names) - NEAREST} more{lists}"


def closest_name(name: str, valid: Sequence[str]) -> str | None:
    """Return the valid name that is most like another one; None where none is like it.

    Where no whole name is, that is the first one that begins with words like those of the name:
    ``int9`` is like the beginning of ``int8-symmetric-per-tensor``.
    """
    whole = difflib.get_close_matches(name, valid, n=1)
    if whole:
        return whole[0]
    words = len(name.split("-"))
    beginnings = {"-".join(each.split("-")[:words]): each for each in reversed(valid)}
    close = difflib.get_close_matches(name, beginnings, n=1)
    return beginnings[close[0]] if close else None


def is_available(method: Method[Any]) -> bool:
    """Whether the method's library is installed here."""
    return is_importable(method.library)


def install_line(*extras: str) -> str:
    """Return the command that installs extras into this environment, as the package itself came.

    That may be the package index, a checkout or another place.
    """
    import subprocess  # Only for messages, like the other imports of these functions.

    python = Path(sys.executable)
    found = shutil.which("pip")
    is_own = found is not None and Path(found).parent == python.parent
    pip = ["pip"] if is_own else [str(python), "-m", "pip"]
    words = [*pip, "install", *_package_with(",".join(extras))]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _package_with(extras: str) -> list[str]:
    """Return this package with extras, as arguments of pip, from where it was installed (PEP 610).

    Source: https://packaging.python.org/en/latest/specifications/direct-url.
    """
    import urllib.parse
    import urllib.request

    try:
        text = importlib.metadata.distribution("sysnoise").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        text = None
    if text is None:
        return [f"sysnoise[{extras}]"]
    origin = json.loads(text)
    url = origin["url"]
    if "dir_info" in origin:
        folder = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
        option = ["--editable"] if origin["dir_info"].get("editable") else []
        return [*option, f"{folder}[{extras}]"]
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    return [f"sysnoise[{extras}] @ {url}"]


class MethodIdentity(TypedDict):
    """What decides a method's pixels: name, library, build of the library, and options.

    A method of another distribution has that, too.
    """

    name: str
    library: str
    build: Build
    options: dict[str, str | int | bool]
    distribution: NotRequired[str]


def identity(method: Method[Any]) -> MethodIdentity:
    """Return what decides a method's pixels on this machine.

    The result is JSON-compatible. It is the same on every machine that has the same library builds
    and CPU features.
    """
    found: MethodIdentity = {
        "name": method.name,
        "library": method.library,
        "build": library_build(method.library),
        "options": dict(sorted(method.options.items())),
    }
    if method.distribution:
        found["distribution"] = method.distribution
    return found
