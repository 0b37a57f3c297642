"""``sysnoise card``, ``publish`` and ``fetch``: the card of a set, and copies of it."""
