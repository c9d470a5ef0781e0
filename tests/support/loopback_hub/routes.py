"""The table of routes: which function answers which method and path."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from support.loopback_hub.messages import Answer, Request

if TYPE_CHECKING:
    from support.loopback_hub.server import Hub

_PARTS = {"repo": "[^/]+/[^/]+", "path": ".+"}


class Respond(Protocol):
    def __call__(self, hub: "Hub", request: Request, **parts: str) -> Answer: ...


@dataclass(frozen=True)
class Route:
    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    respond: Respond

    @property
    def name(self) -> str:
        return self.respond.__name__


ROUTES: list[Route] = []


def route(methods: str, path: str) -> Callable[[Respond], Respond]:
    """Answer requests whose path has this form; `{repo}` is `ORG/NAME`, `{path}` the rest, others a part each."""
    pattern = re.sub(r"\{(\w+)\}", lambda part: f"(?P<{part[1]}>{_PARTS.get(part[1], '[^/]+')})", path)

    def add(respond: Respond) -> Respond:
        ROUTES.append(Route(tuple(methods.split()), re.compile(pattern), respond))
        return respond

    return add


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    for one in ROUTES:
        if method in one.methods and (found := one.pattern.fullmatch(path)):
            return one, {name: unquote(value) for name, value in found.groupdict().items()}
    return None
