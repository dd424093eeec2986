"""What a worker or a clock keeps of the memory that a flood of work took."""

import ctypes
import gc
import sys
import threading
import time

M_ARENA_MAX = -8
ARENAS = 2
GIVE_BACK_SECONDS = 30.0


def be_frugal() -> None:
    """Call it in a process before its threads begin."""
    _share_arenas()
    spare_the_collector()
    threading.Thread(target=_give_back, daemon=True, name="memory").start()


def spare_the_collector() -> None:
    """Let Python look for cycles of garbage less often: a batch makes thousands of values, and hardly any cycle.

    What was imported is never looked at again. At its default the collector takes a fifth of a worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _share_arenas() -> None:
    """Let all threads allocate from two arenas: of sixteen, each would keep the room of the largest message it saw."""
    if _glibc is not None:
        _glibc.mallopt(M_ARENA_MAX, ARENAS)


def _give_back() -> None:
    """Hand what is free to the system now and then: the C library keeps it, and nobody knows how long."""
    while _glibc is not None:
        time.sleep(GIVE_BACK_SECONDS)
        _glibc.malloc_trim(0)


def _find_glibc() -> ctypes.CDLL | None:
    """The C library, where it is the one that has arenas."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


_glibc = _find_glibc()
