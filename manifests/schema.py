"""The JSON Schema of the manifest, and the check against it."""

from __future__ import annotations

import importlib.resources
import json
from typing import Any

MANIFEST_VERSION = 1


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``manifest.json``."""
    file = importlib.resources.files("sysnoise.manifests") / "manifest.schema.json"
    return dict(json.loads(file.read_text("utf-8")))


def manifest_problems(document: Any) -> list[str]:
    """List how a parsed manifest departs from its schema, sorted by the place."""
    import jsonschema

    validator = jsonschema.Draft202012Validator(manifest_schema())
    return sorted(
        f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)
    )
