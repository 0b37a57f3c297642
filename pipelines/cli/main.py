"""The ``sysnoise`` command: its parser, its exit codes and what becomes of errors."""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import sys
from collections.abc import Sequence

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.secrets import without_secrets
from sysnoise.pipelines.cli import (
    card,
    completion,
    demo,
    evaluate,
    export,
    finish,
    generate,
    inspect,
    report,
    score,
    transfer,
    verify,
)
from sysnoise.pipelines.cli.parser import SuggestingParser, unknown_argument
from sysnoise.pipelines.cli.shortage import (
    end_for_want,
    ended_for_want_in_threads,
    prepare_for_limit,
    shortage,
)
from sysnoise.pipelines.errors import CommandError, UnwritableError, UsageError
from sysnoise.pipelines.storage.temporary import temporary_files
from sysnoise.pipelines.workers.logs import ClosedPipeError, printable_streams, set_up_logging
from sysnoise.transforms.errors import GridError, TransformError

CLOSED_PIPE = 141
"""The exit code with which shells report a program that SIGPIPE ended: 128 and its number."""

COMMANDS = (
    generate.add_generate,
    finish.add_finish,
    inspect.add_grids,
    inspect.add_configs,
    inspect.add_compare,
    inspect.add_codecs,
    inspect.add_status,
    demo.add_demo,
    verify.add_verify,
    card.add_card,
    transfer.add_publish,
    transfer.add_fetch,
    export.add_export,
    report.add_report,
    score.add_score,
    evaluate.add_evaluate,
    completion.add_completion,
)
"""Each adds the parser of a command, which names the function that runs it, in the help's order."""


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of the command.

    ``run`` is the function of the chosen command, ``parser`` its own parser,
    ``takes_beam_arguments`` says whether unknown arguments are for Beam, and ``resume_hint`` what
    to do after an interruption.
    """
    parser = SuggestingParser(
        prog="sysnoise",
        description="Generate ImageNet and COCO in every decoder x resize x color combination.",
        epilog="Exit codes: 0 done, 1 failed, 2 bad usage, 141 nobody read what was printed.",
        allow_abbrev=False,
    )
    version = importlib.metadata.version("sysnoise")
    parser.add_argument("--version", action="version", version=f"sysnoise {version}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add_command in COMMANDS:
        add_command(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed, 2 bad usage, 141 not read.

    A user can fix what raises one of the caught errors; any other error is a defect of the command
    and keeps its traceback. What is printed is printable, whoever chose the names in it.
    """
    with printable_streams():
        try:
            return _run_and_flush(argv)
        except ClosedPipeError:
            return CLOSED_PIPE
        except UnwritableError as error:  # What was printed could not be handed on.
            return _fail(str(error), 1)
        finally:
            if argv is None:  # The process ends, and need not look for garbage in all that is left.
                gc.freeze()


def _run_and_flush(argv: Sequence[str] | None) -> int:
    try:
        return _run(argv)
    finally:
        sys.stdout.flush()


def _run(argv: Sequence[str] | None) -> int:
    arguments, beam_arguments = command_parser().parse_known_args(argv)
    set_up_logging()
    try:
        if beam_arguments and not arguments.takes_beam_arguments:
            raise UsageError(unknown_argument(beam_arguments[0], arguments.parser))
        arguments.beam_arguments = beam_arguments
        prepare_for_limit(arguments.takes_beam_arguments)
        with temporary_files(), ended_for_want_in_threads(arguments.resume_hint):
            arguments.run(arguments)
    except ClosedPipeError:
        raise
    except (UsageError, GridError) as error:
        return _fail(str(error), 2)
    except UnwritableError as error:
        return _fail(f"{error}; {_fix(arguments)}", 1)
    except (CommandError, SetError, TransformError, OSError) as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("; ".join(filter(None, ("interrupted", arguments.resume_hint))), 1)
    except Exception as error:
        of = shortage(error)
        if of is None:
            raise
        end_for_want(of, arguments.resume_hint)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"sysnoise: {without_secrets(message)}", file=sys.stderr)
    return code


def _fix(arguments: argparse.Namespace) -> str:
    return f"fix that and {arguments.resume_hint or 'run the same command again'}"


if __name__ == "__main__":
    sys.exit(main())
