"""Sets that would put more than their texts on a card, or into the shell of who copies from it."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sysnoise.manifests.card_text import generate_command
from sysnoise.manifests.plan import plan_fingerprint, read_plan
from tests.end_to_end.commands import command
from tests.end_to_end.damage import edit_json, reseal, sign
from tests.end_to_end.reading import tree

Edit = Callable[[dict[str, Any]], None]


def resealed(source: Path, folder: Path, manifest: Edit, plan: Edit | None = None) -> Path:
    """Copy a set, and change its manifest and plan so that all sums fit."""
    found = shutil.copytree(source, folder)
    if plan is not None:
        edit_json(found / "plan.json", plan)
        edit_json(found / "plan.json", refresh)
    fingerprint = json.loads((found / "plan.json").read_text("utf-8"))["fingerprint"]

    def change(document: dict[str, Any]) -> None:
        document["plan"]["fingerprint"] = fingerprint
        manifest(document)
        sign(document)

    reseal(found)
    edit_json(found / "manifest.json", change)
    return found


def refresh(plan: dict[str, Any]) -> None:
    plan["fingerprint"] = plan_fingerprint(plan)


SPLIT = "val; touch PWN #"


@pytest.mark.parametrize(
    ("manifest", "plan", "told"),
    [
        (lambda m: m["dataset"].update(split=SPLIT), lambda p: p.update(split=SPLIT), "split"),
        (lambda m: m["dataset"].update(split="val\n"), None, "split"),
        (
            lambda m: m["image_format"].update(name="$(touch PWN)"),
            lambda p: p.update(image_format="$(touch PWN)"),
            "image_format",
        ),
        (lambda m: None, lambda p: p.update(image_format="$(touch PWN)"), "image_format"),
        (lambda m: None, lambda p: p.update(split="`id`"), "split"),
        (lambda m: m["variants"][0].update(slug="a__b__c\n"), None, "slug"),
        (lambda m: m["grid"].update(decoders=["pillow", "<script>"]), None, "decoders"),
    ],
    ids=["split", "line end", "format", "plan's format", "plan's split", "slug", "name"],
)
def test_names_that_are_none_are_refused_on_arrival(
    manifest: Edit, plan: Edit | None, told: str, one_image_set: Path, tmp_path: Path
) -> None:
    found = resealed(one_image_set, tmp_path / "set", manifest, plan)
    before = tree(found)
    for arguments in (
        ("fetch", str(found), str(tmp_path / "copy")),
        ("card", str(found)),
        ("verify", str(found)),
    ):
        done = command(*arguments)
        assert done.code == 1, arguments
        assert told in done.out + done.error, arguments
        assert "Traceback" not in done.error
    assert tree(found) == before
    assert not (tmp_path / "copy" / "README.md").exists()


def test_the_command_on_the_card_is_one_command(one_image_set: Path) -> None:
    """Whatever a plan says, were it not refused before."""
    document = json.loads((one_image_set / "plan.json").read_text("utf-8"))
    plan = read_plan(json.dumps(document).encode())
    odd = msgspec.structs.replace(plan, split="a b; touch PWN #", image_format="$(id)")
    words = shlex.split(generate_command(odd))
    assert words[words.index("--split") + 1] == "a b; touch PWN #"
    assert words[words.index("--image-format") + 1] == "$(id)"
    assert words[:3] == ["sysnoise", "generate", "imagenet"]


MARKUP = "x`|<script>alert(1)</script>[a](javascript:b)\n---\n# Mine\n| a |"


def hostile(manifest: dict[str, Any]) -> None:
    """Put markup into every text that the card shows and that no pattern restricts."""
    manifest["grid"]["name"] = MARKUP
    manifest["generator"]["version"] = MARKUP
    manifest["environment"]["python"] = MARKUP
    manifest["environment"]["packages"] = {MARKUP: MARKUP}
    manifest["environment"]["os"] = {"system": MARKUP, "libc": MARKUP}
    manifest["environment"]["cpu"] = {"architecture": MARKUP, "features": [MARKUP]}


def hostile_plan(plan: dict[str, Any]) -> None:
    for method in (*plan["identities"]["decoders"].values(), plan["identities"]["encoder"]):
        method["library"] = MARKUP
        method["build"] = {"version": MARKUP, MARKUP: MARKUP}
        method["options"] = {MARKUP: MARKUP}


def test_no_text_of_a_set_is_markup_on_its_card(one_image_set: Path, tmp_path: Path) -> None:
    found = resealed(one_image_set, tmp_path / "set", hostile, hostile_plan)
    done = command("card", str(found))
    assert done.code == 0, done.error
    text = (found / "README.md").read_text("utf-8")
    honest = (one_image_set / "README.md").read_text("utf-8")
    assert "alert(1)" in text
    assert not {"# Mine", "| a |"} & {*text.splitlines()}
    assert text.count("\n---\n") == honest.count("\n---\n")
    assert text.count("\n# ") == honest.count("\n# ")
    for line in text.splitlines():
        # Only between backticks may a bracket stand without a backslash.
        outside = "".join(line.replace("\\`", "").split("`")[::2])
        assert "<script" not in outside.replace("\\<", ""), line
        assert "[a]" not in outside, line


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("license", "https://x/[a](javascript:b)\x1b[2J"),
        ("license", "MIT <script>"),
        ("url", "https://x/<script>"),
        ("url", "javascript:alert(1)"),
        ("version", "1.0.0\n# Mine"),
        ("datePublished", "2026-13-99"),
        ("citeAs", "@misc{a,}\n```\n# Mine"),
        ("citeAs", "@misc{a,}\x1b[2J"),
        ("url", "s3://x/$(touch PWN)"),
        ("name", "Noise\n# Mine"),
        ("name", "\x1b[2J"),
        ("creator", {"@type": "sc:Person", "name": "x" * 201}),
        ("creator", {"@type": "sc:Person", "name": "Jane", "email": "<script>@x.org"}),
        ("creator", {"@type": "sc:Person", "email": "jane@example.org"}),
        ("image", {"name": "../../x"}),
        ("image", {"name": "[a](javascript:b)"}),
    ],
)
def test_what_a_publisher_cannot_have_given_is_refused(
    field: str, value: Any, one_image_set: Path, tmp_path: Path
) -> None:
    found = shutil.copytree(one_image_set, tmp_path / "set")
    edit_json(found / "croissant.json", lambda document: document.update({field: value}))
    done = command("card", str(found))
    assert done.code == 1
    assert "cannot stand on a card" in done.error


def test_title_and_author_are_no_markup_on_a_card(one_image_set: Path, tmp_path: Path) -> None:
    found = shutil.copytree(one_image_set, tmp_path / "set")
    line = MARKUP.partition("\n")[0]
    creator = {"@type": "sc:Person", "name": line}
    edit_json(found / "croissant.json", lambda each: each.update(name=line, creator=creator))
    done = command("card", str(found))
    assert done.code == 0, done.error
    shown = (found / "README.md").read_text("utf-8").split("---\n", 2)[2]
    assert shown.count("alert(1)") == 2
    outside = "".join(shown.replace("\\`", "").split("`")[::2])
    assert "<script" not in outside.replace("\\<", "")
    assert "[a]" not in outside


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000, "[]", '"x"', "{}", "\xff"])
def test_other_documents_are_no_description(text: str, one_image_set: Path, tmp_path: Path) -> None:
    found = shutil.copytree(one_image_set, tmp_path / "set")
    (found / "croissant.json").write_bytes(text.encode("latin-1"))
    done = command("card", str(found))
    assert done.code == 1
    assert done.error.startswith("sysnoise: reading croissant.json of ")
