"""A Dockerfile as stages of instructions."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template

from dockerfile_parse import DockerfileParser

_FLAG = re.compile(r"--([\w-]+)=(\S+)\s+")
_FOR_A_SHELL = ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK")
"""Their words are a list in JSON, or one text."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; `words` is a single text where it is for a shell."""

    name: str
    words: tuple[str, ...]
    flags: Mapping[str, str]
    is_list: bool
    """Whether it was written as a list, for no shell."""
    line: int

    def expanded(self, variables: Mapping[str, str]) -> "Instruction":
        """With `$NAME` and `${NAME}` replaced, by nothing where there is no such variable."""
        known = _Known(variables)
        return replace(self, words=tuple(Template(word).substitute(known) for word in self.words))


@dataclass(slots=True)
class Stage:
    """What follows one FROM, up to the next."""

    name: str
    base: str
    """An earlier stage, or an image."""
    instructions: list[Instruction] = field(default_factory=list)

    def needs(self) -> Iterator[str]:
        """The stages and images that it is made from."""
        yield self.base
        for instruction in self.instructions:
            if "from" in instruction.flags:
                yield instruction.flags["from"]


class _Known(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


def read_stages(file: Path) -> dict[str, Stage]:
    """The stages of a Dockerfile by their names, in order; one without a name has its number."""
    stages: dict[str, Stage] = {}
    name = ""
    for parsed in DockerfileParser(str(file)).structure:
        if parsed["instruction"] == "COMMENT":
            continue
        instruction = _instruction(parsed["instruction"], parsed["value"], parsed["startline"] + 1)
        if instruction.name == "FROM":
            base, *named = instruction.words
            name = named[1] if named else str(len(stages))
            stages[name] = Stage(name, base)
        elif stages:
            stages[name].instructions.append(instruction)
        else:
            raise SystemExit(f"{file.name}:{instruction.line}: {instruction.name} before FROM is not replayed")
    return stages


def needed(stages: Mapping[str, Stage], target: str) -> list[Stage]:
    """The stages that one is made from, and itself, in order."""
    if target not in stages:
        raise SystemExit(f"there is no stage {target!r}; there are: {', '.join(stages)}")
    wanted = {target}
    for stage in reversed(stages.values()):
        if stage.name in wanted:
            wanted.update(stage.needs())
    return [stage for stage in stages.values() if stage.name in wanted]


def _instruction(name: str, text: str, line: int) -> Instruction:
    flags = {}
    while flag := _FLAG.match(text):
        flags[flag[1]] = flag[2]
        text = text[flag.end() :]
    if name == "HEALTHCHECK":
        text = text.removeprefix("CMD").strip()
    if name not in _FOR_A_SHELL:
        return Instruction(name, tuple(shlex.split(text)), flags, False, line)
    is_list = text.startswith("[")
    return Instruction(name, tuple(json.loads(text)) if is_list else (text,), flags, is_list, line)
