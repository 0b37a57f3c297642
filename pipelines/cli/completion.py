"""``sysnoise completion``: a script with which a shell completes the command's arguments."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from sysnoise.pipelines.cli.arguments import add_command

SHELLS = ("bash", "zsh")

_PATHS = ("A", "B", "FILE", "FILE.py:NAME", "M.onnx", "OUT", "PATH", "TARGET", "URL")
"""What the help calls arguments that may be local files or folders."""
_FOLDERS = ("DIR",)
"""The same of those that may only be folders."""


def add_completion(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands, "completion", "print a script with which a shell completes this command"
    )
    parser.set_defaults(run=_completion)
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash or zsh")


def _completion(arguments: argparse.Namespace) -> None:
    import shtab

    from sysnoise.manifests.grids import grid_names
    from sysnoise.pipelines.cli.main import command_parser
    from sysnoise.pipelines.evaluation.named_configs import config_names

    names = {"grid": grid_names(), "config": config_names()}
    parser = command_parser()
    _set_completers(parser, names)
    functions = (_function(arguments.shell, kind, each) for kind, each in names.items())
    print(shtab.complete(parser, arguments.shell, preamble="\n".join(functions)))


def _set_completers(parser: argparse.ArgumentParser, names: Mapping[str, Sequence[str]]) -> None:
    """Say what completes each argument, as shtab reads it from the attribute ``complete``."""
    import shtab

    for action in parser._actions:
        completer: Mapping[str, object] | None = None
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _set_completers(each, names)
        elif action.dest in names:
            completer = dict.fromkeys(SHELLS, _function_name(action.dest))
        elif action.metavar in _PATHS:
            completer = shtab.FILE
        elif action.metavar in _FOLDERS:
            completer = shtab.DIRECTORY
        if completer is not None:
            action.complete = completer  # type: ignore[attr-defined]


def _function_name(kind: str) -> str:
    return f"_sysnoise_complete_{kind}"


def _function(shell: str, kind: str, names: Sequence[str]) -> str:
    """Return the shell's function that completes shipped names, or files."""
    listed = " ".join(names)
    body = {
        "bash": f'compgen -W "{listed}" -- "$1"; compgen -f -- "$1"',
        "zsh": f"_alternative '{kind}s:{kind}:({listed})' 'files:file:_files'",
    }[shell]
    return f"{_function_name(kind)}() {{ {body}; }}"
