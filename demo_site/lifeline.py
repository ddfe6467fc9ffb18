"""No orphans: a child process that ends when its parent does, however that ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["end_with"]

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent is gone, even by SIGKILL.

    To be called in the child, after every fork. Only Linux can; elsewhere an orphaned
    worker notices within a second, and an orphaned node does not.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)
