"""Memory that was freed, given back to the system."""

import ctypes
import gc


def give_back_freed_memory() -> None:
    """Have the C library keep nothing of what was freed; on another than glibc this does nothing.

    Loading a model takes its size twice for a moment, and glibc would keep that for what may come: a tenth of
    what a service holds that then allocates little.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
