"""The ``sysnoise`` command: one module per command, with its arguments and its action."""
