"""The command, run in the process of the tests."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

from sysnoise.pipelines.cli.main import main
from tests.forked import forked_workers

Options = dict[str, str | Path | None]


@dataclass(frozen=True)
class Outcome:
    """What a run of the command gave."""

    code: object
    out: str
    error: str

    def lacks(self, *fragments: str) -> list[str]:
        """The fragments that its error message lacks."""
        return [fragment for fragment in fragments if fragment not in self.error]


def command(*arguments: str) -> Outcome:
    """Run the command in this process; shards are made in :mod:`tests.forked` ones."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error), forked_workers():
        try:
            code: object = main(arguments)
        except SystemExit as stop:
            code = stop.code
    return Outcome(code, out.getvalue(), error.getvalue())


def generate(dataset: str, options: Options, *others: str) -> Outcome:
    named = (f"--{name}={value}" for name, value in options.items() if value is not None)
    return command("generate", dataset, *named, *others)
