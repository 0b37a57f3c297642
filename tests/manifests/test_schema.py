"""The manifest's schema is a valid schema, and all problems are told at once."""

from __future__ import annotations

import jsonschema
import pytest

from sysnoise.manifests.errors import ManifestError
from sysnoise.manifests.manifest import validate_manifest
from sysnoise.manifests.schema import manifest_schema


def test_schema_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(manifest_schema())


def test_all_problems_are_told() -> None:
    with pytest.raises(ManifestError) as caught:
        validate_manifest({"version": 2, "formats": ["zip"], "surprise": 1})
    message = str(caught.value)
    assert "$.version: 1 was expected" in message
    assert "$.formats[0]: 'zip' is not one of ['webdataset', 'parquet']" in message
    assert "'surprise' was unexpected" in message
    assert message.count("is a required property") == 12
