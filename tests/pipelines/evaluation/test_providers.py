"""The names of execution providers."""

from __future__ import annotations

import pytest

from sysnoise.pipelines.errors import UsageError
from sysnoise.pipelines.evaluation.providers import PROVIDERS, provider_named


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_has_two_names(name: str) -> None:
    found = provider_named(name)
    assert found.name == name
    assert provider_named(found.official) is found
    assert found.official not in found.others


def test_another_name_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"unknown provider 'CUDA' \(did you mean|valid: cpu, cuda"
    ):
        provider_named("CUDA")
