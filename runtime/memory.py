"""Memory that is not needed any more, back to the system."""

import ctypes
import gc


def give_back() -> None:
    """Free what nothing refers to, and return free memory: glibc keeps it, in one heap for every thread that ever was.

    With another C library nothing is returned. https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
