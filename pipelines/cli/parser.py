"""The parser of the command, which suggests a name where one is mistyped."""

from __future__ import annotations

import argparse
from typing import Any

from sysnoise.transforms.methods import closest_name, unknown_name


class SuggestingParser(argparse.ArgumentParser):
    """A parser that suggests the closest command or choice; Python's own does so from 3.14 on."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = "value" if action.option_strings else str(action.metavar).lower()
            message = unknown_name(kind, value, map(str, action.choices))
            raise argparse.ArgumentError(action, message)


def unknown_argument(text: str, parser: argparse.ArgumentParser) -> str:
    """Return the message on an argument that a parser does not have."""
    options = [option for action in parser._actions for option in action.option_strings]
    close = closest_name(text.partition("=")[0], options)
    return f"unknown argument {text!r}" + (f"; did you mean {close}?" if close else "")
