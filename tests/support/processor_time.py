"""What a piece of code costs the processor, without what the suite around it adds."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Fail where the block takes more of this thread's time: what is not linear takes minutes.

    Neither other threads nor a collector that goes through everything the suite holds count: both made a fast
    parser look slow.
    """
    gc.freeze()
    since = thread_time()
    try:
        yield
    finally:
        spent = thread_time() - since
        gc.unfreeze()
    assert spent < seconds, f"{spent:.2f} s of the processor, and {seconds:g} at most"
