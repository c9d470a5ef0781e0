"""Rest between measurements."""

import time

QUIET = 0.02
"""Seconds in which this process must have done nothing ..."""
LONGEST_WAIT = 1.0
"""... and after which the next measurement begins all the same."""


def wait_for_quiet() -> None:
    """Until the threads of what was measured before sleep: libraries let them spin for some 40 ms in wait of more."""
    until = time.monotonic() + LONGEST_WAIT
    used = time.process_time()
    while time.monotonic() < until:
        time.sleep(QUIET)
        before, used = used, time.process_time()
        if used - before <= QUIET / 10:
            return
