"""What a process of Filmless does first: memory settings, and to die with its supervisor."""

from __future__ import annotations

import ctypes
import resource
import signal
import sys

M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_THRESHOLD = -3
PR_SET_PDEATHSIG = 1


def keep_freed_memory() -> None:
    """Tell glibc to keep freed frame buffers instead of returning and faulting them in again.

    It made frame serving two to four times faster; on another C library it does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_TRIM_THRESHOLD, 256 << 20)
    mallopt(M_MMAP_THRESHOLD, 32 << 20)
    mallopt(M_TOP_PAD, 64 << 20)


def raise_descriptor_limit(wanted: int = 65_536) -> None:
    """Take as many open files as the system lets us: connections, blobs and databases each need one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends: what starts next needs the ports at once.

    Nothing acknowledged is lost by a kill, so there is no reason to drain.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL("libc.so.6").prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        return
