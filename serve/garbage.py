"""Python's garbage collector, as a server wants it."""

import gc

THRESHOLD = 10_000
"""By how many objects there must be more before the collector looks at the young ones: those of about 100 requests."""


def spare_what_is_loaded() -> None:
    """Let the collector pass over all objects that exist now, and look at later ones less often.

    What a server has loaded stays: to look at all of it takes some 50 ms, in which nothing else is done. And requests
    leave nothing that only the collector can free, so that it need not look for that often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(THRESHOLD)
