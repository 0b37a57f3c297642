"""What is logged on standard error."""

from __future__ import annotations

import logging


def set_up_logging() -> None:
    """Log the errors of all libraries, and the warnings of this project.

    Beam and the libraries of file systems warn of much that is no concern of a user.
    """
    logging.basicConfig(level=logging.ERROR, format="sysnoise: %(levelname)s: %(message)s")
    logging.getLogger("sysnoise").setLevel(logging.WARNING)
