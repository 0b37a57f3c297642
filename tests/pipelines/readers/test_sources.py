"""Keys and the table of sources."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.readers.sources import (
    SourceSet,
    is_key_of,
    sample_key,
    source_fingerprint,
    source_keys,
    source_table,
)
from sysnoise.pipelines.readers.text_column import TextColumn
from tests.pipelines.readers.layouts import refusal


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000001"),
        ("val/n01440764/a-b_C.jpg", "a-b_C"),
        ("no extension", "no_20extension"),
        ("two words.png", "two_20words"),
        ("a.b.c.jpg", "a_2Eb_2Ec"),
        ("café.JPEG", "caf_C3_A9"),
        ("猫.jpg", "_E7_8C_AB"),
        ("100%+.jpg", "100_25_2B"),
        ("tab\tline\n.jpg", "tab_09line_0A"),
    ],
)
def test_key_is_the_stem_with_other_bytes_in_hexadecimal(name: str, key: str) -> None:
    assert sample_key(name) == key


def test_table_is_in_bytewise_order_of_the_keys() -> None:
    names = [
        "b/a.JPEG",
        "é.JPEG",
        "_a.JPEG",
        "a/B.JPEG",
        "a b.JPEG",
        "-a.JPEG",
        "10.JPEG",
        "9.JPEG",
    ]
    table = source_table(names, label=range(8))
    assert table["key"].to_pylist() == ["-a", "10", "9", "B", "_C3_A9", "_a", "a", "a_20b"]
    assert table["label"].to_pylist() == [5, 6, 7, 3, 1, 2, 0, 4]
    assert table["file"] == table["name"]


@pytest.mark.parametrize(
    ("places", "keys"),
    [
        (["c.JPEG", "b/a.JPEG", "a/a.JPEG"], ["c", "b_2Fa", "a_2Fa"]),
        (["x/b/a.JPEG", "x/a/a.JPEG", "c.JPEG"], ["b_2Fa", "a_2Fa", "c"]),
        (["x/b/a.JPEG", "y/b/a.JPEG"], ["x_2Fb_2Fa_2EJPEG", "y_2Fb_2Fa_2EJPEG"]),
        (["a.png", "a.JPEG"], ["a_2Epng", "a_2EJPEG"]),
        (["a.JPEG", "b/a.JPEG"], ["a", "b_2Fa"]),
        ([("0.tar", "a.jpg"), ("1.tar", "a.jpg")], ["0_2Etar_2Fa_2Ejpg", "1_2Etar_2Fa_2Ejpg"]),
    ],
)
def test_names_that_clash_get_keys_with_their_folders(places: list[Any], keys: list[str]) -> None:
    pairs = [place if isinstance(place, tuple) else (place, place) for place in places]
    table = source_table([name for _, name in pairs], file=[file for file, _ in pairs])
    found = {(row["file"], row["name"]): row["key"] for row in table.to_pylist()}
    assert found == dict(zip(pairs, keys, strict=True))
    assert all(is_key_of(key, name, file) for (file, name), key in found.items())


def test_escaped_names_that_clash_get_keys_with_a_digest() -> None:
    names = ["a_20b.JPEG", "a b.JPEG"]
    keys = source_keys(names, names)
    digests = [hashlib.sha256(name.encode()).hexdigest()[:16] for name in names]
    assert keys == [f"a_20b-{digest}" for digest in digests]
    assert all(is_key_of(key, name, name) for key, name in zip(keys, names, strict=True))


def test_one_name_twice_in_an_archive_is_refused() -> None:
    message = refusal(lambda: source_table(["a.jpg", "a.jpg"], file=["x.tar", "x.tar"], row=[0, 1]))
    assert "1 name(s) belong to more than one image of an archive" in message
    assert "x.tar: a.jpg and x.tar: a.jpg" in message


def test_key_is_at_most_90_bytes() -> None:
    fits = [f"{'a' * 90}.JPEG", f"{'é' * 15}.JPEG"]
    assert [len(key) for key in source_table(fits)["key"].to_pylist()] == [90, 90]
    long = [f"folder/{'a' * 91}.JPEG", f"folder/{'a' * 92}.JPEG", f"{'é' * 99}/{'a' * 91}.JPEG"]
    keys = source_keys(long, long)
    assert len(set(keys)) == 3
    assert all(len(key) == 90 for key in keys)
    assert keys[1] == f"{'a' * 73}-{hashlib.sha256(b'a' * 92).hexdigest()[:16]}"
    assert all(is_key_of(key, name, name) for key, name in zip(keys, long, strict=True))


def test_names_that_are_not_utf8_are_refused_by_name() -> None:
    """Linux gives undecodable bytes of file names as lone surrogates."""
    assert "caf\\udce9.JPEG" in refusal(lambda: source_table(["a.JPEG", "caf\udce9.JPEG"]))


def test_limit_keeps_the_first_keys() -> None:
    source = SourceSet(DatasetKind.IMAGENET, "val", "", source_table(["c.jpg", "a.jpg", "b.jpg"]))
    assert source.limited(2).table["key"].to_pylist() == ["a", "b"]
    assert source.limited(9).table == source.limited(None).table == source.table


def test_texts_that_wait_in_a_file_are_columns_like_others() -> None:
    whole = source_table(["c.jpg", "a.jpg", "b.jpg"], image=["{3}", "{1}", "{2}"])
    texts = {"image": TextColumn([b"{1}", b"{2}", b"{3}"])}
    source = SourceSet(DatasetKind.COCO, "val", "", whole.drop_columns(["image"]), texts=texts)
    assert source.rows() == whole
    assert source.rows(1, 3) == whole[1:3]
    assert source.rows(3, 4) == whole[3:]
    assert source.limited(2).rows() == source.limited(2).rows(0, 9) == whole[:2]
    assert [len(batch) for batch in source.batches(2)] == [2, 1]


def fingerprint(**changes: list[Any]) -> str:
    columns: dict[str, list[Any]] = {"label": [1, 2], **changes}
    return source_fingerprint([source_table(["a.jpg", "b.jpg"], **columns)])


def test_fingerprint_is_the_same_wherever_the_images_lie() -> None:
    assert fingerprint() == fingerprint(file=["x.tar", "x.tar"], offset=[512, 9216], size=[1, 2])
    chunked = source_table(["a.jpg", "b.jpg"], label=[1, 2])
    assert source_fingerprint([chunked[:1], chunked[1:]]) == fingerprint()


@pytest.mark.parametrize(
    "change",
    [{"label": [2, 1]}, {"image": ["{}", None]}, {"annotations": [None, "[]"]}],
    ids=["label", "image", "annotations"],
)
def test_fingerprint_changes_with_what_the_source_says(change: dict[str, list[Any]]) -> None:
    assert fingerprint(**change) != fingerprint()
