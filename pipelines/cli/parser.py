"""The parser of the command, which suggests a name where one is mistyped."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NoReturn

from sysnoise.transforms.methods import closest_name, unknown_name


class SuggestingParser(argparse.ArgumentParser):
    """A parser that suggests the closest command or choice; Python's own does so from 3.14 on.

    Python's own names an option that it does not know only where no other one is missing.
    """

    _typed: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments, which are kept for :meth:`error`."""
        self._typed = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, an option that is not known before all, and exit."""
        unknown = self._unknown_option()
        super().error(f"{unknown}; {message}" if unknown else message)

    def _unknown_option(self) -> str | None:
        """Return the message on the first option as typed that there is not; None without one."""
        typed = takewhile(lambda text: text != "--", self._typed)
        if self._subparsers is not None:  # What follows the name of a command is its own.
            typed = takewhile(lambda text: text.startswith("--"), typed)
        own = option_names(self)
        names = (text.partition("=")[0] for text in typed if text.startswith("--"))
        unknown = [name for name in names if name not in own]
        if unknown and self.get_default("takes_beam_arguments"):
            from sysnoise.pipelines.beam.options import beam_options, unknown_to_both

            beams = beam_options()
            unknown = [name for name in unknown if name not in beams]
            return unknown_to_both(unknown[0], own) if unknown else None
        return unknown_argument(unknown[0], self) if unknown else None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = "value" if action.option_strings else str(action.metavar).lower()
            message = unknown_name(kind, value, map(str, action.choices))
            raise argparse.ArgumentError(action, message)


def option_names(parser: argparse.ArgumentParser) -> list[str]:
    """Return the names of the options that a parser has."""
    return [option for action in parser._actions for option in action.option_strings]


def unknown_argument(text: str, parser: argparse.ArgumentParser) -> str:
    """Return the message on an argument that a parser does not have."""
    close = closest_name(text.partition("=")[0], option_names(parser))
    return f"unknown argument {text!r}" + (f" (did you mean {close}?)" if close else "")
