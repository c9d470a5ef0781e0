"""A stage's instructions, carried out one after the other in a root."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from replay.instructions import Instruction, Stage
from replay.root import Root, run

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Of an image that sets none."""


@dataclass(frozen=True, slots=True)
class Image:
    """What the instructions have made so far: the root, and how to run it."""

    root: Root
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH})
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Of `docker build`; no variables of what is run later."""
    folder: str = "/"
    user: str = "0"
    entrypoint: tuple[str, ...] = ()
    health: tuple[str, ...] = ()


class Build:
    """Replays stages; each gets a root in `folder` with its name.

    Arguments:
        context: the folder that COPY takes files from.
        base: for every image of FROM that is not a stage.
    """

    def __init__(self, folder: Path, context: Path, base: Root) -> None:
        self._folder = folder
        self._context = context
        self._base = base
        self._images: dict[str, Image] = {}

    def replay(self, stage: Stage) -> Image:
        """Carry out a stage whose earlier ones were carried out."""
        before = self._images.get(stage.base, Image(self._base))
        image = replace(before, root=before.root.copy(self._folder / stage.name), arguments={})
        for instruction in stage.instructions:
            print(f"[{stage.name}] {instruction.name} {' '.join(instruction.words)}", flush=True)
            image = self._carry_out(instruction, image)
        self._images[stage.name] = image
        return image

    def _carry_out(self, instruction: Instruction, image: Image) -> Image:
        actions: dict[str, Callable[[Instruction, Image], Image]] = {
            "ARG": _arg,
            "COPY": self._copy,
            "ENTRYPOINT": _entrypoint,
            "ENV": _env,
            "EXPOSE": lambda _, image: image,
            "HEALTHCHECK": _health,
            "RUN": _run,
            "USER": lambda instruction, image: replace(image, user=instruction.words[0]),
            "WORKDIR": _workdir,
        }
        if instruction.name not in actions:
            raise SystemExit(f"Dockerfile:{instruction.line}: {instruction.name} is not replayed")
        # A shell, or the program itself, replaces the variables of the others.
        if instruction.name not in ("RUN", "ENTRYPOINT", "HEALTHCHECK"):
            instruction = instruction.expanded({**image.arguments, **image.environment})
        return actions[instruction.name](instruction, image)

    def _copy(self, instruction: Instruction, image: Image) -> Image:
        *sources, target = instruction.words
        if unknown := instruction.flags.keys() - {"from"}:
            raise SystemExit(f"Dockerfile:{instruction.line}: COPY --{' --'.join(unknown)} is not replayed")
        stage = instruction.flags.get("from")
        origin = self._images[stage].root if stage else Root(self._context)
        place = image.root.inside(os.path.join(image.folder, target))
        for source in map(origin.inside, sources):
            into = place if source.is_dir() or target.endswith("/") else place.parent
            into.mkdir(parents=True, exist_ok=True)
            # COPY takes a folder's content, not itself; and what it copies is root's.
            what = f"{source}/." if source.is_dir() else str(source)
            options = ["--archive", "--no-preserve=ownership", "--remove-destination"]
            run(["cp", *options, what, f"{place}/" if place.is_dir() else str(place)])
        return image


def _arg(instruction: Instruction, image: Image) -> Image:
    name, _, value = instruction.words[0].partition("=")
    return replace(image, arguments={**image.arguments, name: value})


def _env(instruction: Instruction, image: Image) -> Image:
    return replace(image, environment={**image.environment, **dict(word.split("=", 1) for word in instruction.words)})


def _run(instruction: Instruction, image: Image) -> Image:
    words = instruction.words if instruction.is_list else ("/bin/sh", "-c", *instruction.words)
    # How this machine reaches its package index, as a build argument or a secret would tell.
    index = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    image.root.run(words, image.user, image.folder, {**index, **image.arguments, **image.environment})
    return image


def _workdir(instruction: Instruction, image: Image) -> Image:
    folder = os.path.normpath(os.path.join(image.folder, instruction.words[0]))
    image.root.inside(folder).mkdir(parents=True, exist_ok=True)
    return replace(image, folder=folder)


def _entrypoint(instruction: Instruction, image: Image) -> Image:
    return replace(image, entrypoint=_program(instruction))


def _health(instruction: Instruction, image: Image) -> Image:
    return replace(image, health=_program(instruction))


def _program(instruction: Instruction) -> tuple[str, ...]:
    if not instruction.is_list:
        raise SystemExit(f"Dockerfile:{instruction.line}: write {instruction.name} as a list, which needs no shell")
    return instruction.words
