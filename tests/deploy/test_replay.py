"""The parts of the replay of the Dockerfile that need neither root nor a network."""

from pathlib import Path

import pytest
from replay.build import Build
from replay.context import copy_context
from replay.instructions import needed, read_stages
from replay.root import Root
from replay.sizes import folder_sizes
from support.deploying import DOCKERFILE, ROOT


def test_the_last_stage_is_for_the_cpu() -> None:
    assert [*read_stages(DOCKERFILE)][-2:] == ["cuda", "cpu"]


@pytest.mark.parametrize(("target", "other"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_only_the_stages_that_are_needed(target: str, other: str) -> None:
    names = [stage.name for stage in needed(read_stages(DOCKERFILE), target)]
    assert names == ["project", f"{target}-packages", "zoo", "server", target]
    with pytest.raises(SystemExit, match=f"no stage 'gpu'; there are: .*{other}"):
        needed(read_stages(DOCKERFILE), "gpu")


def test_the_context_has_what_is_served_and_no_more(tmp_path: Path) -> None:
    copy_context(ROOT, tmp_path)
    top = {file.name for file in tmp_path.iterdir()}
    # Docker itself adds these two.
    top -= {".dockerignore", "Dockerfile"}
    assert top == {
        *("LICENSE", "README.md", "explain", "export", "pyproject.toml"),
        *("reproduction", "serve", "training", "weights", "zoo"),
    }
    assert not [*tmp_path.glob("weights/*/*.safetensors")]
    assert not [*tmp_path.rglob("__pycache__")]


def test_instructions(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM debian AS first\n"
        "WORKDIR /work\n"
        "COPY folder inner\n"
        "FROM debian AS second\n"
        "ARG WHERE=place\n"
        'ENV PATH=/own:$PATH B="c d"\n'
        "WORKDIR /$WHERE\n"
        "WORKDIR below\n"
        "COPY --from=first /work ./\n"
        "COPY file.txt other.txt folder/ /files/\n"
        "USER 10:20\n"
        'HEALTHCHECK --interval=1s CMD ["a", "b"]\n'
        'ENTRYPOINT ["c"]\n'
    )
    context = tmp_path / "context"
    (context / "folder").mkdir(parents=True)
    for name in ("file.txt", "other.txt", "folder/deep.txt"):
        (context / name).write_text(name)
    base = tmp_path / "base"
    (base / "files").mkdir(parents=True)
    build = Build(tmp_path, context, Root(base))
    image = [build.replay(stage) for stage in read_stages(tmp_path / "Dockerfile").values()][-1]
    files = {str(file.relative_to(image.root.path)) for file in image.root.path.rglob("*") if file.is_file()}
    assert files == {"place/below/inner/deep.txt", "files/file.txt", "files/other.txt", "files/deep.txt"}
    assert image.environment["PATH"].startswith("/own:/usr/local/sbin:")
    assert image.environment["B"] == "c d"
    assert (image.user, image.folder) == ("10:20", "/place/below")
    assert (image.health, image.entrypoint) == (("a", "b"), ("c",))
    assert folder_sizes(image.root.path, 1) == {"/files": 8 + 9 + 15, "/place": 15}


@pytest.mark.parametrize("line", ["ADD a b", "COPY --chown=1 a b", "ENTRYPOINT zoo serve"])
def test_what_is_not_replayed_is_said(line: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM debian\n{line}\n")
    (tmp_path / "base").mkdir()
    [stage] = read_stages(tmp_path / "Dockerfile").values()
    with pytest.raises(SystemExit, match="Dockerfile:2: "):
        Build(tmp_path, tmp_path, Root(tmp_path / "base")).replay(stage)
