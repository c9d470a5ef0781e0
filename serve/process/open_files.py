"""The limit of this process's open files, of which each connection is one."""

import logging
import resource

SPARE = 500
"""Files beside connections: models, libraries, and connections that come between two looks at their number."""

_log = logging.getLogger(__name__)


def allow_files(connections: int) -> None:
    """Raise the limit, where it must be and may be, so that so many connections fit; a warning if they do not."""
    needed = connections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _log.warning(
            "max_connections = %d needs %d open files, but the limit is %d: raise it (ulimit -Hn), or lower the former",
            connections,
            needed,
            hard,
        )
