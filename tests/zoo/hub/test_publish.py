"""`zoo publish` in processes of its own, against the HTTP routes of a Hub on this machine."""

import json
import shutil
import time
from pathlib import Path

import pytest
from support.fresh import run_zoo, start_zoo
from support.loopback_hub import Hub

from zoo.files import write_json
from zoo.hub import open_model
from zoo.package import (
    ANSWERING_FILES,
    CARD_FILE,
    METRICS_FILE,
    ONNX_FILES,
    PUBLISHED_FILES,
    SERVING_FILE,
    WEIGHTS_FILE,
    Package,
)
from zoo.package.card import hand_written, model_card

pytestmark = pytest.mark.process

NAME = "wrn16-ours.cifar10"
REPOSITORY = f"acme/{NAME}"


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A copy of a bundled model, complete with two ONNX files."""
    return Package.open(Path(shutil.copytree(open_model(NAME).path, tmp_path / NAME)))


@pytest.fixture
def login(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine on which somebody is logged in who may publish."""
    return hub.environment(tmp_path / "home", hub.token("acme"))


def publish(environment: dict[str, str], package: Package, *flags: object) -> str:
    """Publish to `acme`, which must succeed: what it says."""
    ended = run_zoo(environment, "publish", f"local-dir:{package.path}", "--to", "acme", *flags)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def titles(hub: Hub) -> list[str]:
    """Of the commits since the repository was made."""
    return [commit.title for commit in hub.repositories[REPOSITORY].commits[1:]]


def uploaded(hub: Hub) -> list[str]:
    """What was sent to the storage, each time."""
    return [entry.path.rpartition("/")[2] for entry in hub.asked("upload") if entry.status == 200]


def test_a_model_directory_becomes_a_repository(hub: Hub, login: dict[str, str], package: Package) -> None:
    write_json(package.path / SERVING_FILE, {})
    (package.path / "notes.txt").write_text("of nobody's business")
    said = publish(login, package)
    repository = hub.repositories[REPOSITORY]
    files = dict(repository.files())
    assert files.keys() >= {WEIGHTS_FILE, "model.onnx", "model.int8.onnx", "parity.json", "map.png"}
    assert files.pop(".gitattributes")
    assert files.pop(CARD_FILE).content.decode() == model_card(package, REPOSITORY)
    assert {name: file.content for name, file in files.items()} == {
        name: (package.path / name).read_bytes()
        for name in PUBLISHED_FILES
        if name != CARD_FILE and (package.path / name).is_file()
    }
    assert files[WEIGHTS_FILE].lfs
    assert not repository.private
    [commit] = repository.commits[1:]
    assert f"published: {hub.url}/{REPOSITORY}/commit/{commit.oid}" in said


def test_a_dry_run_changes_nothing_and_needs_no_login(hub: Hub, tmp_path: Path, package: Package) -> None:
    said = publish(hub.environment(tmp_path / "home"), package, "--dry-run")
    assert f"{REPOSITORY} (new repository)" in said
    assert f"{(package.path / 'model.onnx').stat().st_size:,}" in said
    assert "+# wrn16-ours.cifar10" in said
    assert hub.repositories == {}
    assert {entry.method for entry in hub.log} == {"GET"}


@pytest.mark.slow
def test_only_what_changed_is_sent(hub: Hub, login: dict[str, str], package: Package) -> None:
    publish(login, package)
    sent = uploaded(hub)
    assert len(sent) == 5
    head = hub.repositories[REPOSITORY].refs["main"]
    assert f"already up to date at {head}" in publish(login, package)
    assert len(titles(hub)) == 1
    write_json(package.path / METRICS_FILE, package.metrics() | {"note": "more"})
    said = publish(login, package, "--dry-run")
    assert METRICS_FILE in said
    assert WEIGHTS_FILE not in said
    publish(login, package)
    assert titles(hub)[1:] == [f"Publish {NAME}: {METRICS_FILE}"]
    assert uploaded(hub) == sent


def test_what_is_no_longer_there_is_removed(hub: Hub, login: dict[str, str], package: Package) -> None:
    publish(login, package)
    hub.repositories[REPOSITORY].put({"examples/photo.jpg": b"an image"})
    (package.path / ONNX_FILES["int8"]).unlink()
    said = publish(login, package)
    assert "removed" in said
    files = hub.repositories[REPOSITORY].files()
    assert ONNX_FILES["int8"] not in files
    assert files["examples/photo.jpg"].content == b"an image"


@pytest.mark.slow
def test_what_was_written_by_hand_on_the_hub_survives(hub: Hub, login: dict[str, str], package: Package) -> None:
    publish(login, package)
    repository = hub.repositories[REPOSITORY]
    card = repository.files()[CARD_FILE].content.decode()
    begin, end = (line for line in card.splitlines() if "by hand" in line)
    repository.put({CARD_FILE: card.replace(f"{begin}\n{end}", f"{begin}\nBeware of *frogs*.\n{end}").encode()})
    assert "already up to date" in publish(login, package)
    write_json(package.path / METRICS_FILE, {})
    publish(login, package)
    assert hand_written(repository.files()[CARD_FILE].content.decode(), CARD_FILE) == "Beware of *frogs*.\n"
    (package.path / CARD_FILE).write_text(f"{begin}\nFrogs are fine now.\n{end}\n")
    assert "on the Hub will be replaced" in publish(login, package)
    assert hand_written(repository.files()[CARD_FILE].content.decode(), CARD_FILE) == "Frogs are fine now.\n"


def test_a_pull_request(hub: Hub, login: dict[str, str], tmp_path: Path, package: Package) -> None:
    publish(login, package)
    write_json(package.path / METRICS_FILE, {})
    reader = hub.environment(tmp_path / "other", hub.token("others"))
    said = publish(reader, package, "--pr")
    assert f"proposed: {hub.url}/{REPOSITORY}/discussions/1" in said
    repository = hub.repositories[REPOSITORY]
    assert repository.files("refs/pr/1")[METRICS_FILE].content == b"{}\n"
    assert repository.files()[METRICS_FILE].content != b"{}\n"


def test_nothing_to_propose_changes_for(hub: Hub, login: dict[str, str], package: Package) -> None:
    ended = run_zoo(login, "publish", f"local-dir:{package.path}", "--to", "acme", "--pr")
    assert f"the Hub repository {REPOSITORY} does not exist" in ended.stderr
    assert hub.repositories == {}


def test_a_card_of_somebody_else_on_the_hub(hub: Hub, login: dict[str, str], package: Package) -> None:
    publish(login, package)
    repository = hub.repositories[REPOSITORY]
    repository.put({CARD_FILE: "# Written by händ\n".encode("latin-1")})
    ended = run_zoo(login, "publish", f"local-dir:{package.path}", "--to", "acme")
    assert f"README.md of the Hub repository {REPOSITORY} was not written by the zoo" in ended.stderr
    assert repository.files()[CARD_FILE].content == "# Written by händ\n".encode("latin-1")


def test_another_name(hub: Hub, login: dict[str, str], package: Package) -> None:
    ended = run_zoo(login, "publish", f"local-dir:{package.path}", "--to", "acme/my-model")
    assert ended.returncode == 0, ended.stderr
    assert hub.repositories.keys() == {"acme/my-model"}


def test_a_private_repository(hub: Hub, login: dict[str, str], package: Package) -> None:
    publish(login, package, "--private")
    assert hub.repositories[REPOSITORY].private
    assert "already up to date" in publish(login, package, "--private")
    hub.repositories[REPOSITORY].private = False
    ended = run_zoo(login, "publish", f"local-dir:{package.path}", "--to", "acme", "--private")
    assert ended.returncode == 1
    assert f"the Hub repository {REPOSITORY} is public; make it private in its settings" in ended.stderr


def test_large_files_go_in_parts(hub: Hub, login: dict[str, str], package: Package) -> None:
    hub.part_bytes = 10**6
    publish(login, package)
    assert len(hub.asked("upload_part")) == 3 + 6 + 3 + 2 + 1
    assert hub.repositories[REPOSITORY].files()[WEIGHTS_FILE].content == (package.path / WEIGHTS_FILE).read_bytes()


def test_it_is_tried_again(hub: Hub, login: dict[str, str], package: Package) -> None:
    """The Hub is busy, a connection breaks, and somebody else commits first."""
    hub.faults.answer("create", 503)
    hub.faults.answer("batch", 429, headers={"Retry-After": "0"})
    hub.faults.cut("upload", "request", after=100_000, where=package.config.weights_sha256)
    hub.faults.answer("commit", 412)
    publish(login, package)
    assert [entry.status for entry in hub.asked("commit")] == [412, 200]
    assert sorted(uploaded(hub)) == sorted({*uploaded(hub)})
    assert len(titles(hub)) == 1


def test_a_commit_whose_answer_was_lost_is_not_made_twice(hub: Hub, login: dict[str, str], package: Package) -> None:
    hub.faults.cut("commit")
    assert "published: " in publish(login, package)
    assert len(titles(hub)) == 1


def test_a_killed_upload_goes_on(hub: Hub, login: dict[str, str], package: Package) -> None:
    onnx = package.verified_sha256("fp32")
    standstill = hub.faults.stall("upload", "request", after=10**6, where=str(onnx))
    process = start_zoo(login, "publish", f"local-dir:{package.path}", "--to", "acme")
    assert standstill.reached.wait(60)
    while len(uploaded(hub)) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    hub.faults.end()
    assert titles(hub) == []
    assert onnx not in hub.objects
    before = uploaded(hub)
    publish(login, package)
    assert uploaded(hub)[len(before) :] == [onnx]
    assert len(titles(hub)) == 1
    files = hub.repositories[REPOSITORY].files()
    for name in (WEIGHTS_FILE, *ONNX_FILES.values()):
        assert name not in files or files[name].content == (package.path / name).read_bytes()


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "the token is missing or not valid; log in with `hf auth login`"),
        ("hf_wrong", "the token is missing or not valid; log in with `hf auth login`"),
        ("others", "the token has no write access"),
    ],
)
def test_who_may_not(token: str | None, message: str, hub: Hub, tmp_path: Path, package: Package) -> None:
    token = hub.token(token) if token == "others" else token
    environment = hub.environment(tmp_path / "home", token)
    ended = run_zoo(environment, "publish", f"local-dir:{package.path}", "--to", "acme")
    assert ended.returncode == 1
    assert f"error: the Hub repository {REPOSITORY} cannot be published: {message}" in ended.stderr
    assert hub.repositories == {}


def test_a_card_that_the_hub_does_not_understand(hub: Hub, login: dict[str, str], package: Package) -> None:
    hub.faults.answer("validate", 400, times=9)
    ended = run_zoo(login, "publish", f"local-dir:{package.path}", "--to", "acme")
    assert "cannot be published: ValueError: Invalid metadata in README.md" in ended.stderr
    assert titles(hub) == []


def test_all_bundled_models_and_their_pins(hub: Hub, tmp_path: Path) -> None:
    pins = tmp_path / "releases.json"
    environment = hub.environment(tmp_path / "home", hub.token("acme")) | {"ZOO_HUB_ORG": "acme"}
    ended = run_zoo(environment, "publish", "--all", "--pins", pins)
    assert ended.returncode == 0, ended.stderr
    assert "note: rn26.cifar10: no ONNX file, which servers need: zoo export rn26.cifar10, then" in ended.stdout
    table = json.loads(pins.read_text())
    assert table.keys() == hub.repositories.keys()
    for name, release in table.items():
        files = hub.repositories[name].files(release["revision"])
        assert release["files"] == {file: files[file].sha256 for file in ANSWERING_FILES if file in files}


def test_all_are_those_of_one_folder(hub: Hub, login: dict[str, str], package: Package, tmp_path: Path) -> None:
    chosen = login | {"ZOO_WEIGHTS": str(tmp_path / "chosen"), "COLUMNS": "250"}
    ended = run_zoo(chosen, "publish", "--all", "--to", "acme")
    assert f"no model directory in {tmp_path / 'chosen'}" in ended.stderr
    shutil.copytree(package.path, tmp_path / "chosen" / "of-any-name")
    assert run_zoo(chosen, "publish", "--all", "--to", "acme").returncode == 0
    assert hub.repositories.keys() == {REPOSITORY}
    shutil.copytree(package.path, tmp_path / "chosen" / "twice")
    ended = run_zoo(chosen, "publish", "--all", "--to", "acme")
    assert f"has several models called {NAME}; remove all but one of each" in ended.stderr


@pytest.mark.parametrize("to", ["", "acme/model"])
def test_all_go_to_an_organization(to: str, hub: Hub, login: dict[str, str]) -> None:
    assert f"error: --to {to!r}: give an organisation" in run_zoo(login, "publish", "--all", "--to", to).stderr
    assert hub.log == []


def test_pins_that_cannot_be_written(hub: Hub, login: dict[str, str], package: Package, tmp_path: Path) -> None:
    pins = tmp_path / "releases.json"
    pins.write_text("[]")
    ended = run_zoo(login, "publish", f"local-dir:{package.path}", "--to", "acme", "--pins", pins)
    assert "is not a table of releases" in ended.stderr
    assert hub.repositories == {}


@pytest.mark.parametrize("flags", [[], ["wrn16", "--all"]])
def test_one_or_all(flags: list[str], tmp_path: Path, hub: Hub) -> None:
    ended = run_zoo(hub.environment(tmp_path), "publish", *flags)
    assert "error: give one model, or --all" in ended.stderr
    assert hub.log == []
