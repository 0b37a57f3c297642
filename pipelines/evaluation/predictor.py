"""Predictors: classes of the user's own that give classes or boxes, in any framework."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.evaluation.identity import runtime_identity
from sysnoise.transforms.methods import unknown_name
from sysnoise.transforms.pixels import Pixels

Predict = Callable[[Sequence[Pixels], Sequence[str]], Sequence[Any]]
"""An instance of a predictor: takes images (uint8, RGB, shape (H, W, 3)) and the keys of their
samples, and returns one prediction per image."""

_PACKAGES = ("numpy", "pillow")


@dataclass(frozen=True)
class Predictor:
    """A predictor as the user names it.

    Attributes:
        reference: ``FILE.py:NAME``, or ``package.module:NAME`` of an installed module.
        device: what the class is called with, such as ``cpu`` or ``cuda:0``.
    """

    reference: str
    device: str

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.reference.rpartition(":")[2]


@dataclass(frozen=True)
class PredictorIdentity:
    """What the predictions of a predictor depend on.

    Attributes:
        sha256: sha256 of the source of its module, in hexadecimal.
        document: all of it as JSON: name, source, device, what the class says of itself, versions.
    """

    sha256: str
    document: dict[str, Any]


@dataclass(frozen=True)
class _Loaded:
    """A module, and the bytes that it was made from."""

    module: ModuleType
    source: bytes


def is_reference(text: str) -> bool:
    """Whether a text names a predictor in a file: ``FILE.py:NAME``."""
    place, _, name = text.rpartition(":")
    return place.endswith(".py") and name.isidentifier()


def predictor_class(reference: str) -> Callable[[str], Predict]:
    """Return the class that a reference names; its module is imported.

    Raises:
        UsageError: there is no such file, module or class, or importing it fails.
    """
    name = reference.rpartition(":")[2]
    module = _loaded(reference).module
    found: Any = getattr(module, name, None)
    if not callable(found):
        names = [each for each, value in vars(module).items() if callable(value)]
        raise UsageError(f"predictor {reference!r}: {unknown_name('name', name, names)}")
    made: Callable[[str], Predict] = found
    return made


def predictor_identity(predictor: Predictor) -> PredictorIdentity:
    """Return what decides the predictions of a predictor, its module included.

    The class may have an attribute ``identity``, a JSON-compatible mapping, such as the digest of
    its weights.

    Raises:
        UsageError: as :func:`predictor_class`; or the class's own identity is no such mapping.
    """
    said = getattr(predictor_class(predictor.reference), "identity", {})
    try:
        own = json.loads(json.dumps(said))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"predictor {predictor.reference!r}: its identity cannot be written as JSON: {error}"
        ) from error
    if not isinstance(own, Mapping):
        raise UsageError(
            f"predictor {predictor.reference!r}: expected a mapping as its identity, found {own!r}"
        )
    loaded = _loaded(predictor.reference)
    sha256 = hashlib.sha256(loaded.source).hexdigest()
    packages = sorted({*_PACKAGES, *_packages(loaded.source)})
    document = {
        "name": predictor.name,
        "sha256": sha256,
        "device": predictor.device,
        "identity": dict(own),
        "runtime": runtime_identity(packages),
    }
    return PredictorIdentity(sha256, document)


def told(doing: str, error: BaseException) -> str:
    """Return the message for an error in a predictor, with the traceback that its author needs."""
    trace = "".join(traceback.format_exception(error)).rstrip()
    return f"{doing}: {type(error).__name__}: {error}\n{trace}"


@functools.lru_cache(maxsize=16)
def _loaded(reference: str) -> _Loaded:
    """Import the module of a predictor, once per process."""
    place, _, name = reference.rpartition(":")
    if not place or not name.isidentifier():
        raise UsageError(
            f"predictor {reference!r}: expected FILE.py:NAME, or package.module:NAME of an "
            "installed module"
        )
    try:
        if place.endswith(".py"):
            return _from_file(Path(place))
        module = importlib.import_module(place)
        file = getattr(module, "__file__", None)
        return _Loaded(module, Path(file).read_bytes() if file else b"")
    except FileNotFoundError as error:
        raise UsageError(f"predictor {reference!r}: {error}") from error
    except Exception as error:  # A module of the user's own raises anything.
        raise UsageError(told(f"importing the predictor {reference!r}", error)) from error


def _from_file(path: Path) -> _Loaded:
    """Run a file as a module; it can import what lies beside it, as a script can."""
    source = path.read_bytes()
    name = f"sysnoise_predictor_{hashlib.sha256(source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    if spec is None:
        raise ImportError(f"{str(path)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.absolute().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module  # As the import does: dataclasses look their module up.
    # The bytes that are run are those whose digest is recorded.
    exec(compile(source, str(path), "exec"), module.__dict__)
    return _Loaded(module, source)


def _packages(source: bytes) -> Iterator[str]:
    """Yield the installed packages that a module imports."""
    distributions = importlib.metadata.packages_distributions()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            yield from distributions.get(name.partition(".")[0], ())
