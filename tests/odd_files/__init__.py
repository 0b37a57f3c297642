"""Odd files, and what is expected of each: the rows of ``docs/odd-files.md``."""
