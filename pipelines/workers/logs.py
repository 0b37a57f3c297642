"""Setting up what is logged on standard error."""

from __future__ import annotations

import logging


def set_up_logging() -> None:
    """Log the errors of all libraries, and the warnings of this project.

    Beam and the libraries of file systems warn of many things that do not concern a user.
    """
    logging.basicConfig(level=logging.ERROR, format="sysnoise: %(levelname)s: %(message)s")
    logging.getLogger("sysnoise").setLevel(logging.WARNING)
