"""How much of a folder's files the kernel holds in its page cache (Linux)."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
]
_LIBC.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
_LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def cached_mib(folder: Path) -> float:
    """Return how many MiB of the files below a folder are in the page cache (mincore(2))."""
    pages = sum(map(_cached_pages, (path for path in folder.rglob("*") if path.is_file())))
    return pages * mmap.PAGESIZE / 2**20


def _cached_pages(path: Path) -> int:
    length = path.stat().st_size
    if length == 0:
        return 0
    descriptor = os.open(path, os.O_RDONLY)
    try:
        address = _LIBC.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
        states = ctypes.create_string_buffer(-(-length // mmap.PAGESIZE))
        if _LIBC.mincore(address, length, states):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
        _LIBC.munmap(address, length)
    finally:
        os.close(descriptor)
    return len(states) - states.raw.count(b"\0")
