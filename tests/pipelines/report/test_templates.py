"""Templates show what they are given as text, and only a report loads their library."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from sysnoise.pipelines.report.content import Choice, HtmlCell, HtmlRow, HtmlTable
from sysnoise.pipelines.report.page import breakable, template_environment

ATTACK = "</script><img src=x onerror='run()'> \" & <!--"


class Texts(HTMLParser):
    """The elements of a page and its texts, by an independent parser."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.values: list[str | None] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def macro(name: str, argument: object) -> str:
    module = template_environment().get_template("macros.html").module
    return str(getattr(module, name)(argument))


@pytest.mark.parametrize("text", [ATTACK, "<!--<script>", "a & b \u2028 'x' \"y\""])
def test_json_in_a_script_element_cannot_end_it(text: str) -> None:
    template = template_environment().from_string("<script>{{ data|tojson }}</script>")
    page = template.render(data={"text": text})
    assert page.count("<") == 2
    assert [json.loads(each) for each in Texts(page).texts] == [{"text": text}]


def test_tables_hold_their_texts() -> None:
    cells = [HtmlCell(ATTACK, [ATTACK], sort_key=ATTACK)]
    page = macro("table", HtmlTable(ATTACK, ["a", ATTACK], [HtmlRow(HtmlCell(ATTACK), cells)]))
    found = Texts(page)
    assert "img" not in found.elements
    assert found.values.count(ATTACK) == 2  # The label of the box, and the sort key.
    # They are the caption, a heading, the name of the row, and the text and the note of the cell.
    assert "".join(found.texts).count(ATTACK) == 5


def test_choices_hold_their_texts() -> None:
    found = Texts(macro("select", Choice("id", "Label", {-1: "all", 0: ATTACK}, chosen=-1)))
    assert found.elements == ["label", "select", "option", "option"]
    assert ATTACK in found.texts


def test_names_can_break_at_their_parts() -> None:
    assert breakable("a/b-c+int8-d<e>") == "a/<wbr>b-c<wbr>+int8-d&lt;e&gt;"


def test_a_name_that_a_template_misspells_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        template_environment().get_template("page.html").render(title="t")


def test_the_command_starts_without_jinja2() -> None:
    script = (
        "import sys; import sysnoise.pipelines.cli.main, sysnoise.pipelines.cli.report; "
        "sys.exit('jinja2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
