"""Pieces of HTML hold what they are given as text."""

from __future__ import annotations

import json

import pytest

from sysnoise.pipelines.report.markup import code, script_json, table


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "a & b \u2028 'x' \"y\""])
def test_json_in_a_script_element_cannot_end_it(text: str) -> None:
    rendered = script_json({"text": text})
    assert "<" not in rendered
    assert json.loads(rendered) == {"text": text}


def test_captions_and_headings_are_escaped() -> None:
    rendered = table("a<b", ["<i>"], [["<td>1</td>"]])
    assert "a&lt;b" in rendered
    assert "&lt;i&gt;" in rendered
    assert "<td>1</td>" in rendered


def test_names_can_break_at_their_parts() -> None:
    rendered = code("a/b-c+int8-d<e>")
    assert rendered == "<code>a/<wbr>b-c<wbr>+int8-d&lt;e&gt;</code>"
