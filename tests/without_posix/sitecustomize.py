"""What Windows has of the system, for the modules of this project; all others see Linux.

Python imports a module of this name when it starts, from a folder of PYTHONPATH. Taken away are the
modules, functions, flags and signals of POSIX. As on Windows, folders cannot be opened, and files
that any process has open can neither be removed nor renamed; locks are those of ``msvcrt``.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import os
import signal
import struct
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ABSENT_MODULES = (
    *("curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog"),
    *("termios", "tty"),
)
ABSENT_OF_OS = (
    *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_PATH", "O_SYNC"),
    *("POSIX_FADV_DONTNEED", "P_PID", "WEXITED", "WNOHANG", "WNOWAIT", "WSTOPPED"),
    *("fchdir", "fchmod", "fchown", "fdatasync", "fork", "forkpty", "get_blocking", "getegid"),
    *("geteuid", "getgid", "getloadavg", "getpgid", "getsid", "getuid", "killpg", "memfd_create"),
    *("mkfifo", "nice", "openpty", "pipe2", "posix_fadvise", "posix_fallocate", "posix_spawn"),
    *("pread", "preadv", "pwrite", "pwritev", "readv", "register_at_fork", "sched_getaffinity"),
    *("sched_setaffinity", "sendfile", "set_blocking", "setpgid", "setsid", "statvfs", "sync"),
    *("sysconf", "uname", "wait", "wait3", "wait4", "waitid", "writev"),
)
SIGNALS = ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM")
ABSENT_OF_SIGNAL = (
    *(name for name in dir(signal) if name[:3] == "SIG" and name[3] != "_" and name not in SIGNALS),
    *("alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt"),
    *("sigpending", "sigtimedwait", "sigwait"),
)


def is_open(path: Any) -> bool:
    """Whether any process has a file open."""
    real = os.path.realpath(path)
    for each in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(each) == real:  # noqa: PTH115
                return True
        except OSError:  # It is closed, or the process of somebody else.
            continue
    return False


def opening(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
    if os.path.isdir(path):  # noqa: PTH112
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return os.open(path, flags, *arguments, **options)


def removing(path: Any) -> None:
    refuse_open(path)
    os.unlink(path)


def renaming(source: Any, target: Any) -> None:
    refuse_open(source)
    refuse_open(target)
    os.replace(source, target)


def refuse_open(path: Any) -> None:
    if is_open(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def locking(descriptor: int, mode: int, length: int) -> None:
    """Lock bytes from the position of a file on, for this descriptor (F_OFD_SETLK of fcntl(2))."""
    start = os.lseek(descriptor, 0, os.SEEK_CUR)
    lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)


def view(module: types.ModuleType, absent: Sequence[str], **others: Any) -> types.ModuleType:
    """Return a module without some of its names, and with others of its own."""
    found = types.ModuleType(module.__name__)
    vars(found).update({name: each for name, each in vars(module).items() if name not in absent})
    vars(found).update(others)
    return found


VIEWS = {
    "os": view(os, ABSENT_OF_OS, open=opening, unlink=removing, remove=removing, replace=renaming),
    "signal": view(signal, ABSENT_OF_SIGNAL),
    "msvcrt": view(types.ModuleType("msvcrt"), (), locking=locking, LK_NBLCK=2),
}
IMPORT = builtins.__import__


def importing(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002
    locals: Mapping[str, object] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> types.ModuleType:
    importer = str((globals or {}).get("__package__") or "").partition(".")[0]
    if importer == "sysnoise" and level == 0:
        if name in ABSENT_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in VIEWS or (name == "os.path" and not fromlist):
            return VIEWS[name.partition(".")[0]]
    return IMPORT(name, globals, locals, fromlist or (), level)


builtins.__import__ = importing
