"""What becomes of memory that tensors no longer need, on a CPU."""

import ctypes
import os
import sys
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
KEPT = 1 << 30  # bytes
OWN_MAPPING = 32 << 20  # larger blocks are mapped by themselves; more than that the library does not take
SET_BY_USER = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


@cache
def keep_freed_memory() -> None:
    """Let this process keep memory that is freed for what comes next, as far as KEPT, under glibc.

    By itself the library gives large blocks back at once, and it depends on what happened before which are
    large: then each frame waits for the system to clear its pages anew, up to a tenth of its time, and in bad
    cases half. What the user has set stays. It is for programs, not for a library within another's.
    """
    if sys.platform != "linux" or any(name in os.environ for name in SET_BY_USER):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # other libraries have none
    if set_option is not None:
        set_option(M_MMAP_THRESHOLD, OWN_MAPPING)
        set_option(M_TRIM_THRESHOLD, KEPT)
