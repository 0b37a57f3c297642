"""Passwords, keys and signatures do not reach what is shown."""

from __future__ import annotations

import pytest

from sysnoise.manifests.errors import ManifestError, SetError
from sysnoise.manifests.secrets import without_secrets

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ann:hunter2@host/a/b.tar", "https://***@host/a/b.tar"),
        ("'http://hunter2@host:80/a b'", "'http://***@host:80/a b'"),
        ("'http://ann:p@hunter2@host/'", "'http://***@host/'"),
        ("http://h/a b.tar?sig=hunter2&x=1 gone", "http://h/a b.tar?*** gone"),
        ("zip://in::https://u:hunter2@h/x.zip?s=hunter2", "zip://in::https://***@h/x.zip?***"),
        ("404, message='no', url='http://h/?X-Amz-Signature=hunter2'", None),
        ("{'key': 'me', 'secret': 'hunter2', 'anon': False}", None),
        ("aws_secret_access_key=hunter2", None),
        ('{"token": "hunter2"}', '{"token": "***"}'),
        ("Authorization: Basic hunter2", None),
    ],
)
def test_secrets_are_cut(text: str, shown: str | None) -> None:
    found = without_secrets(text)
    assert SECRET not in found
    assert shown in (None, found)


@pytest.mark.parametrize(
    "text",
    [
        "reading '/data/a@b/c?d.JPEG': no such file",
        "https://host:8080/a/b@2x.jpg does not exist",
        "sample 'n01440764_1': expected a key, found 5; is that right? see https://host/docs",
        "did you mean --variant=pillow/none/rgb?",
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize("kind", [SetError, ManifestError])
def test_errors_of_sets_have_no_secrets(kind: type[SetError]) -> None:
    assert SECRET not in str(kind(f"'http://a:{SECRET}@host/set' is not a finished set"))


@pytest.mark.parametrize("text", ["a", ":/", "secret_", "secret ", "http://a?", "@:/"])
def test_long_texts_take_linear_time(text: str) -> None:
    assert len(without_secrets(text * 300_000)) > 10  # Quadratic time would be hours.
