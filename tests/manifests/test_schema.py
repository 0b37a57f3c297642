"""The manifest's schema is a valid schema, and all problems are told at once."""

from __future__ import annotations

import jsonschema
import pytest

from sysnoise.manifests.errors import ManifestError
from sysnoise.manifests.manifest import validate_manifest
from sysnoise.manifests.schema import (
    MAX_MESSAGE,
    MAX_PROBLEMS,
    manifest_problems,
    manifest_schema,
)


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


def test_messages_have_a_limit() -> None:
    document = {"formats": ["x" * 10_000] * 10_000, **{f"surprise{n}": 1 for n in range(10_000)}}
    with pytest.raises(ManifestError) as caught:
        validate_manifest(document)
    assert len(str(caught.value)) < 2 * MAX_PROBLEMS * MAX_MESSAGE


def test_items_are_compared_in_linear_time() -> None:
    """What cannot be sorted; a pair of each would be 10^10 comparisons."""
    mixed = [*map(str, range(100_000)), *range(100_000)]
    assert not [each for each in manifest_problems({"formats": mixed}) if "non-unique" in each]
    twice = manifest_problems({"formats": [*mixed[:20], "1"]})
    assert [each for each in twice if each.startswith("$.formats: ") and "non-unique" in each]
