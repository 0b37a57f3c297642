"""A local worker process: Beam's SDK worker, whose log goes to the command alone.

Beam's own entry point also prints every start and stop to standard error.
"""

from __future__ import annotations

import logging
import sys

if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)
