"""Servers that take turns under the same loads; all but one are paused."""

import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

from peers.drive import Driven, drive
from peers.load import Load
from peers.messages import body_request, exchange, form_request
from peers.photographs import Kind
from peers.server_process import ANSWERS_WITHIN, STARTS_WITHIN, Server, StartError
from peers.serving_contenders import Contender

TRAINING = {"warmup": 0.0, "seconds": 2.0, "clients": 8}
"""Load before the first turn, from which adaptive batching can learn."""

_LABEL = re.compile(rb'"label": *"([^"]+)"')


class Files(NamedTuple):
    """Files of the images of a kind, and of their requests."""

    images: tuple[str, ...]
    forms: tuple[str, ...]
    bodies: tuple[str, ...]

    @staticmethod
    def write(kind: Kind, folder: Path) -> "Files":
        images = list(kind.images())

        def write(suffix: str, contents: Iterable[bytes]) -> tuple[str, ...]:
            files = []
            for index, content in enumerate(contents):
                file = folder / f"{kind.name}-{index}.{suffix}"
                file.write_bytes(content)
                files.append(str(file))
            return tuple(files)

        return Files(
            write("image", images),
            write("form", (form_request(image, kind.media_type) for image in images)),
            write("body", (body_request(image, kind.media_type) for image in images)),
        )


class Contest:
    """Servers and their requests; a context manager that stops the servers.

    Arguments:
        folder: folder for requests and logs.
        kinds: kinds of images.
        starts_within: seconds after which a server that does not answer is skipped.
    """

    def __init__(self, folder: Path, kinds: Iterable[Kind], starts_within: float = STARTS_WITHIN) -> None:
        self.left_out: dict[str, str] = {}
        """Reasons, by contender."""
        self.files = {kind.name: Files.write(kind, folder) for kind in kinds}
        """Files by kind of images."""
        self._folder = folder
        self._starts_within = starts_within
        self._servers: dict[str, tuple[Contender, Server]] = {}
        self._answers: dict[str, str] = {}
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._ending.__exit__(*exception)

    @property
    def names(self) -> list[str]:
        """Names of the running contenders."""
        return list(self._servers)

    def enter(self, contender: Contender, environment: Mapping[str, str]) -> None:
        """Start a server, and compare its answers with those of the first; a server that fails is stopped and
        skipped."""
        try:
            with ExitStack() as starting:
                server = starting.enter_context(Server(contender.command, environment, self._folder))
                for kind in self.files:
                    request = Path(self._requests(kind, contender)[0]).read_bytes()
                    self._check(kind, server.wait(request, self._starts_within))
                self._ending.enter_context(starting.pop_all())
        except StartError as error:
            self.left_out[contender.name] = str(error)
            return
        self._servers[contender.name] = contender, server
        self.send(contender.name, next(iter(self.files)), **TRAINING)

    def server(self, name: str) -> Server:
        """Process of a contender."""
        return self._servers[name][1]

    def send(self, name: str, kind: str, **load: Any) -> Driven:
        """Run a server's turn.

        Arguments:
            name: name of the contender.
            kind: kind of images.
            load: fields of `Load`.
        """
        contender, server = self._servers[name]
        server.resume()
        try:
            return drive(server, Load(server.port, self._requests(kind, contender), **load))
        finally:
            server.pause()

    def ask(self, name: str, request: bytes) -> bytes:
        """Body of a server's response to a single request."""
        server = self.server(name)
        server.resume()
        try:
            return exchange(server.port, request, ANSWERS_WITHIN)[1]
        finally:
            server.pause()

    def _requests(self, kind: str, contender: Contender) -> tuple[str, ...]:
        files = self.files[kind]
        return files.bodies if contender.raw else files.forms

    def _check(self, kind: str, body: bytes) -> None:
        found = _LABEL.search(body)
        label = found[1].decode() if found else "no class"
        expected = self._answers.setdefault(kind, label)
        if label != expected:
            raise StartError(f"it answers {label!r} for an image of {kind} where the first answered {expected!r}")
