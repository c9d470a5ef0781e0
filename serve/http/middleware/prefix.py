"""The path under which a proxy serves the server, as plain ASGI."""

from starlette.responses import RedirectResponse
from starlette.routing import Match, Router
from starlette.types import ASGIApp, Receive, Scope, Send


class PrefixMiddleware:
    """Handles both kinds of proxies: those that strip the prefix, and those that keep it.

    Behind it `path` begins with `root_path`, as ASGI says, and `route_path` is what remains.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if path == self._prefix:
                # The page refers to its files from below the prefix.
                return await _redirect(f"{path.rpartition('/')[2]}/", scope)(scope, receive, send)
            if not path.startswith(f"{self._prefix}/"):
                path = self._prefix + path
            scope = {**scope, "path": path, "root_path": self._prefix}
        return await self._app(scope, receive, send)


def route_path(scope: Scope) -> str:
    """The path of a request without the prefix of a proxy."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def redirect_without_slash(scope: Scope, router: Router) -> RedirectResponse | None:
    """A redirection for a path that is a route but for a trailing slash; None for other paths.

    The redirection is relative, so that it keeps scheme, host and prefix whatever a proxy makes of them.
    """
    shorter, raw = scope["path"].removesuffix("/"), scope["raw_path"].decode("latin-1")
    # In `/docs%2F` the slash is none that relative references count.
    if not raw.endswith("/") or shorter.endswith("/") or not route_path({**scope, "path": shorter}):
        return None
    if all(route.matches({**scope, "path": shorter})[0] is Match.NONE for route in router.routes):
        return None
    return _redirect(f"../{raw[:-1].rpartition('/')[2]}", scope)


def _redirect(location: str, scope: Scope) -> RedirectResponse:
    query = scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{location}?{query}" if query else location)
