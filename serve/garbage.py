"""Python's garbage collector, as a server wants it."""

import gc


def spare_what_is_loaded() -> None:
    """Let the collector pass over all objects that exist now.

    What a server has loaded stays: to look at all of it takes some 50 ms, in which nothing else is done.
    """
    gc.collect()
    gc.freeze()
