"""Documents that are read in small parts are those that json.loads reads whole."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sysnoise.pipelines.readers import json_stream

SCALARS: list[Any] = [0, -12, 1234567890123, 1.5, -2.5e-07, 1e22, "", 'a"\\\né😀', True, None]


def whole(text: str) -> dict[str | None, Any]:
    return {
        name: list(value) if isinstance(value, Iterator) else value
        for name, value in json_stream.members(io.StringIO(text))
    }


def drawn(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randrange(4 if depth < 3 else 2)
    if kind < 2:
        return draw.choice(SCALARS)
    values = [drawn(draw, depth + 1) for _ in range(draw.randrange(4))]
    return values if kind == 2 else dict(zip("abcd", values, strict=False))


def document(draw: random.Random) -> str:
    members = {f"member {number}": drawn(draw) for number in range(draw.randrange(5))}
    indent = draw.choice([None, 1])
    return json.dumps(members, indent=indent, ensure_ascii=draw.choice([True, False]))


def outcome(parse: Callable[[str], Any], text: str) -> Any:
    """Return the parsed text, or where it is broken: ``line 1 column 2 (char 1)``."""
    try:
        return parse(text)
    except ValueError as error:
        return str(error).split(": ")[-1]


@pytest.mark.parametrize("characters", [1, 2, 3, 7, 1 << 20])
def test_any_cut_gives_the_same_values(characters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "READ_CHARACTERS", characters)
    draw = random.Random(characters)
    for _ in range(300):
        text = document(draw)
        assert whole(text) == json.loads(text)


@pytest.mark.parametrize("characters", [1, 5, 1 << 20])
def test_errors_are_found_where_json_finds_them(
    characters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "READ_CHARACTERS", characters)
    draw = random.Random(characters)
    broken = 0
    for _ in range(600):
        text = document(draw)
        place = draw.randrange(len(text))
        text = text[:place] + draw.choice('{}[],:"x1') + text[place + draw.randrange(2) :]
        expected, found = outcome(json.loads, text), outcome(whole, text)
        broken += isinstance(expected, str)
        if not isinstance(expected, list | int | float):  # They have no members.
            assert found == expected
    assert broken > 100


def test_elements_are_parsed_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "READ_CHARACTERS", 16)
    opened = io.StringIO('{"long": [' + "[1, 2], " * 1000 + '0], "next": 1}')
    found = json_stream.members(opened)
    name, elements = next(found)
    assert (name, next(elements)) == ("long", [1, 2])
    assert opened.tell() < 100
    assert next(found) == ("next", 1)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN is not a JSON number"):
        whole('{"a": [1, NaN]}')


def test_a_value_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "VALUE_CHARACTERS", 1 << 22)
    text = io.StringIO('{"info": "' + "x" * (1 << 24))
    with pytest.raises(ValueError, match="a value is longer than 4194304 characters: line 1"):
        list(json_stream.members(text))
    assert text.tell() < 1 << 24


def test_list_is_a_member_without_a_name() -> None:
    assert whole("[1, [2], {}]") == {None: [1, [2], {}]}
    assert whole('{"": [1]}') == {"": [1]}
    assert whole("3") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": [1, {"b":\n  [2, NaN]}]}', r"a\[1\]: NaN is not a JSON number: line 2 column 7"),
        (r'{"a": ["NaN \" NaN", -Infinity]}', r"a\[1\]: -Infinity is not .* column 22 "),
        ('{"a": {"b": "NaN", "c": NaN}}', r"NaN is not a JSON number: line 1 column 25 "),
        ('{"a": [1, 2' + "2" * 5000 + "]}", r"a\[1\]: a whole number does not fit into 64 bits"),
        ('{"a": [1, ' + "[" * 57 + "]" * 57 + "]}", r"a\[1\]: it is nested too deeply"),
        ('{"a": [1, 2 3]}', "Expecting ',' or ']': line 1 column 13"),
        ("[1, x]", r"\[1\]: Expecting value: line 1 column 5"),
    ],
)
def test_errors_say_which_element_is_wrong_and_where(text: str, message: str) -> None:
    with pytest.raises(json_stream.JsonError, match=message):
        whole(text)


def test_values_of_the_greatest_depth_are_read() -> None:
    deep = "[" * json_stream.VALUE_DEPTH + "]" * json_stream.VALUE_DEPTH
    assert whole(f'{{"a": [{deep}]}}')
