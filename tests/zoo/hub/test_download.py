"""Models from a Hub on this machine, fetched by processes that have nothing yet."""

import random
import shutil
import signal
from pathlib import Path

import pytest
from support.fresh import ROOT, run_python, run_zoo, start_zoo
from support.loopback_hub import Hub
from support.loopback_hub.store import Repository

from zoo.hub import open_model
from zoo.hub.releases import Release, record_releases
from zoo.machine import X86_INT8, instructions
from zoo.package import CONFIG_FILE, MAP_FILE, PARITY_FILE, PUBLISHED_FILES, WEIGHTS_FILE, Package

pytestmark = pytest.mark.process

NAME = "wrn16-ours.cifar10"
REPOSITORY = f"acme/{NAME}"
REFERENCE = f"hf-hub:{REPOSITORY}"

TRY = """
import sys
from zoo.errors import ZooError
from zoo.hub import open_model
for reference in sys.argv[1:]:
    try:
        print(open_model(reference).path)
    except ZooError as error:
        print(f"{type(error).__name__}: {error}")
"""
"""Open models and print where they are, or the error: a line each."""


@pytest.fixture
def package() -> Package:
    return open_model(NAME)


@pytest.fixture
def repository(hub: Hub, package: Package) -> Repository:
    """The model's repository."""
    made = hub.repositories[REPOSITORY] = Repository(REPOSITORY)
    files = {name: (package.path / name).read_bytes() for name in PUBLISHED_FILES if (package.path / name).is_file()}
    text = {name: content for name, content in files.items() if name.endswith((".json", ".md"))}
    made.put(text)
    made.put({name: content for name, content in files.items() if name not in text}, lfs=True)
    return made


@pytest.fixture
def machine(hub: Hub, repository: Repository, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine that has nothing yet."""
    return hub.environment(tmp_path / "home")


def cached(tmp_path: Path, name: str) -> Path:
    """A file of the only snapshot in the cache."""
    [file] = (tmp_path / "home").glob(f"hub/models--acme--{NAME}/snapshots/*/{name}")
    return file


def downloads(hub: Hub, name: str) -> list[str | None]:
    """The range of each request for a large file."""
    return [entry.range for entry in hub.asked("download") if entry.path.endswith(f"/{name}")]


def test_every_revision_can_be_named(machine: dict[str, str], repository: Repository) -> None:
    newest = repository.refs["main"]
    repository.refs["v1"] = newest
    repository.put({"metrics.json": b"{}"})
    lines = run_python(machine, TRY, REFERENCE, f"{REFERENCE}@main", f"{REFERENCE}@v1", f"{REFERENCE}@{newest}").split()
    assert [Path(line).name for line in lines] == [repository.refs["main"]] * 2 + [newest] * 2


def test_what_is_complete_is_not_asked_for_again(hub: Hub, machine: dict[str, str], repository: Repository) -> None:
    pinned = f"{REFERENCE}@{repository.refs['main']}"
    run_python(machine, TRY, pinned)
    hub.log.clear()
    assert run_python(machine, TRY, pinned).startswith("/")
    # huggingface_hub also asks what is about no model.
    assert [entry for entry in hub.log if entry.route] == []


def test_a_broken_connection_is_taken_up_where_it_broke(
    hub: Hub, machine: dict[str, str], repository: Repository, tmp_path: Path
) -> None:
    # huggingface_hub takes 10 MiB at a time.
    large = random.Random(0).randbytes(25 * 2**20)
    repository.put({MAP_FILE: large}, lfs=True)
    hub.faults.cut("download", after=12 * 2**20, where=MAP_FILE)
    assert run_python(machine, TRY, REFERENCE).startswith("/")
    assert downloads(hub, MAP_FILE) == [None, f"bytes={10 * 2**20}-"]
    assert cached(tmp_path, MAP_FILE).read_bytes() == large


def test_a_killed_download_goes_on(hub: Hub, machine: dict[str, str], package: Package, tmp_path: Path) -> None:
    standstill = hub.faults.stall("download", after=10**6, where="/model.onnx")
    process = start_zoo(machine, "info", REFERENCE)
    assert standstill.reached.wait(60)
    while not list((tmp_path / "home").glob(f"hub/models--acme--{NAME}/snapshots/*/{WEIGHTS_FILE}")):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hub.faults.end()
    assert run_python(machine, TRY, REFERENCE).startswith("/")
    assert len(downloads(hub, WEIGHTS_FILE)) == 1
    for name in PUBLISHED_FILES:
        if (package.path / name).is_file():
            assert cached(tmp_path, name).read_bytes() == (package.path / name).read_bytes(), name


@pytest.mark.slow
def test_without_a_network_the_cache_answers(hub: Hub, machine: dict[str, str]) -> None:
    first = run_python(machine, TRY, REFERENCE)
    hub.log.clear()
    assert run_python(machine | {"HF_HUB_OFFLINE": "1"}, TRY, REFERENCE) == first
    assert hub.log == []
    assert run_python(machine | {"HF_ENDPOINT": "http://127.0.0.1:9"}, TRY, REFERENCE) == first
    hub.faults.answer("newest", 503)
    hub.faults.answer("information", 503)
    assert run_python(machine, TRY, REFERENCE) == first


@pytest.mark.parametrize("name", [WEIGHTS_FILE, "model.int8.onnx"])
def test_a_file_that_was_tampered_with_is_refused(
    name: str, machine: dict[str, str], repository: Repository, package: Package
) -> None:
    content = bytearray((package.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    repository.tamper(name, bytes(content))
    [line] = run_python(machine, TRY, REFERENCE).splitlines()
    assert line.startswith(f"DigestError: {name} of the Hub repository {REPOSITORY} is not the published file")


def test_a_file_that_is_damaged_in_the_cache_is_fetched_again(
    hub: Hub, machine: dict[str, str], package: Package, tmp_path: Path
) -> None:
    run_python(machine, TRY, REFERENCE)
    cached(tmp_path, "model.onnx").write_bytes(b"damaged")
    offline = run_python(machine | {"HF_HUB_OFFLINE": "1"}, TRY, REFERENCE)
    assert "DigestError: model.onnx in " in offline
    assert "is damaged and must be downloaded again, but" in offline
    assert "HF_HUB_OFFLINE" in offline
    assert run_python(machine, TRY, REFERENCE).startswith("/")
    assert cached(tmp_path, "model.onnx").read_bytes() == (package.path / "model.onnx").read_bytes()
    assert len(downloads(hub, "model.onnx")) == 2
    assert len(downloads(hub, WEIGHTS_FILE)) == 1


def test_a_cache_that_another_program_filled_in_part(
    hub: Hub, machine: dict[str, str], repository: Repository, tmp_path: Path
) -> None:
    one = "import sys; from huggingface_hub import hf_hub_download; hf_hub_download(sys.argv[1], sys.argv[2])"
    offline = machine | {"HF_HUB_OFFLINE": "1"}
    run_python(machine, one, REPOSITORY, "model.onnx")
    assert "fetch it with a network" in run_python(offline, TRY, REFERENCE)
    run_python(machine, one, REPOSITORY, CONFIG_FILE)
    run_python(machine, one, REPOSITORY, PARITY_FILE)
    assert run_python(offline, TRY, REFERENCE).startswith("/")
    cached(tmp_path, "model.onnx").write_bytes(b"damaged")
    assert "DigestError: model.onnx of " in run_python(offline, TRY, REFERENCE)
    assert cached(tmp_path, "model.onnx").read_bytes() == b"damaged"


def test_only_the_files_that_are_needed_are_fetched(hub: Hub, machine: dict[str, str], photo_file: Path) -> None:
    assert run_zoo(machine, "classify", photo_file, "--model", REFERENCE).returncode == 0
    assert downloads(hub, "model.onnx")
    # Where 8-bit products are fast, the int8 file is the one that is computed.
    assert bool(downloads(hub, "model.int8.onnx")) == (not X86_INT8.isdisjoint(instructions()))


def test_no_pickle_is_fetched_or_opened(hub: Hub, machine: dict[str, str], repository: Repository) -> None:
    repository.put({"pytorch_model.bin": b"a pickle", "model.pkl": b"another", "modeling.py": b"raise SystemExit"})
    code = """
import sys
seen = []
sys.addaudithook(lambda event, arguments: event.startswith("pickle.") and seen.append(arguments))
import zoo
network = zoo.load(sys.argv[1])
same = zoo.AutoModel.from_pretrained(sys.argv[1].removeprefix("hf-hub:"))
print(seen, same.config == network.config)
"""
    assert run_python(machine, code, REFERENCE) == "[] True\n"
    asked = {entry.path.rpartition("/")[2] for entry in hub.asked("resolve")}
    assert WEIGHTS_FILE in asked
    assert not asked & {"pytorch_model.bin", "model.pkl", "modeling.py"}


def test_a_repository_that_has_only_a_pickle(hub: Hub, machine: dict[str, str], repository: Repository) -> None:
    files = dict(repository.files())
    files["pytorch_model.bin"] = files.pop(WEIGHTS_FILE)
    repository.commit("main", "an older form", files)
    code = """
import sys, zoo
from zoo.errors import PackageError
for load in (zoo.load, lambda name: zoo.AutoModel.from_pretrained(name.removeprefix("hf-hub:"))):
    try: load(sys.argv[1])
    except PackageError as error: print(error)
"""
    for line in run_python(machine, code, REFERENCE).splitlines():
        assert f"has no {WEIGHTS_FILE}; fetch or copy" in line
    assert not [entry for entry in hub.asked("resolve") if entry.path.endswith(".bin")]


def test_each_failure_has_its_message(hub: Hub, machine: dict[str, str], repository: Repository) -> None:
    hub.repositories["acme/private"] = Repository("acme/private", private=True)
    hub.repositories["acme/gated"] = Repository("acme/gated", gated=True)
    hub.repositories["acme/gated"].put({CONFIG_FILE: b"{}"})
    hub.repositories["acme/empty"] = Repository("acme/empty")
    hub.repositories["acme/other"] = Repository("acme/other")
    hub.repositories["acme/other"].put({CONFIG_FILE: b'{"model_type": "bert"}'})
    for name, status in {"forbidden": 403, "busy": 429, "down": 503}.items():
        hub.faults.answer("newest", status, times=9, where=name)
        hub.faults.answer("information", status, times=9, where=name)
    cases = {
        "acme/absent": "does not exist or is private; check the name, or log in with `hf auth login` or HF_TOKEN",
        "acme/private": "does not exist or is private; check the name",
        "acme/gated": "is gated; log in to",
        f"{REPOSITORY}@v9": "has no such revision; leave out @REV for the newest",
        "acme/empty": "is not a model directory, as it has no config.json",
        "acme/other": "is not a model configuration: variant: Field required",
        "acme/forbidden": "cannot be fetched: the token has no read access",
        "acme/busy": "cannot be fetched: too many requests; log in with `hf auth login`",
        "acme/down": "is down (HTTP 503); try again later",
        "a/b/c": "is not a repository name",
    }
    lines = run_python(machine, TRY, *(f"hf-hub:{name}" for name in cases)).splitlines()
    for line, (name, message) in zip(lines, cases.items(), strict=True):
        assert line.startswith("PackageError: "), name
        assert message in line


def test_a_wrong_token_and_a_private_repository(hub: Hub, machine: dict[str, str], repository: Repository) -> None:
    repository.private = True
    reader = machine | {"HF_TOKEN": hub.token("acme", "read")}
    assert "the token is missing or not valid" in run_python(machine | {"HF_TOKEN": "hf_wrong"}, TRY, REFERENCE)
    # Had the token been sent to the storage, that would have refused.
    assert run_python(reader, TRY, REFERENCE).startswith("/")


def test_where_nobody_answers(machine: dict[str, str], tmp_path: Path) -> None:
    nobody = machine | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    line = run_python(nobody, TRY, REFERENCE)
    assert "cannot be fetched: no answer from http://127.0.0.1:9" in line
    assert "check the network, HF_ENDPOINT and the proxy settings" in line
    line = run_python(machine | {"HF_HUB_OFFLINE": "1"}, TRY, REFERENCE)
    assert f"is not fully cached in {tmp_path}/home/hub, and HF_HUB_OFFLINE prevents" in line


def test_a_cache_that_cannot_be_written(machine: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    line = run_python(machine, TRY, REFERENCE)
    assert "cannot be fetched: Not a directory" in line or "cannot be fetched: File exists" in line
    assert "set HF_HOME to a writable folder" in line


@pytest.fixture
def installed(tmp_path: Path, repository: Repository) -> Path:
    """A zoo without bundled weights, of a version with which the repository's newest revision was released."""
    site = tmp_path / "site"
    shutil.copytree(ROOT / "zoo", site / "zoo", ignore=shutil.ignore_patterns("__pycache__"))
    files = repository.files()
    digests = {name: files[name].sha256 for name in (CONFIG_FILE, WEIGHTS_FILE, "model.onnx", "model.int8.onnx")}
    table = {f"template-zoo/{NAME}": Release(repository.refs["main"], digests)}
    record_releases(site / "zoo" / "hub" / "releases.json", table)
    return site


def test_a_name_means_the_release_of_this_version(
    hub: Hub, machine: dict[str, str], repository: Repository, installed: Path
) -> None:
    hub.repositories[f"template-zoo/{NAME}"] = repository
    released = repository.refs["main"]
    repository.put({CONFIG_FILE: b"{}", "model.fp16.onnx": b"new"})
    machine |= {"PYTHONPATH": str(installed)}
    path, error = run_python(machine, TRY, "wrn16-ours", "rn26").splitlines()
    assert path.endswith(f"models--template-zoo--{NAME}/snapshots/{released}")
    assert "model 'rn26.cifar10' is not available locally (available: none), and was not released" in error
    assert not [entry for entry in hub.log if "rn26" in entry.path]


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_release_that_a_mirror_has_changed(
    name: str, hub: Hub, machine: dict[str, str], repository: Repository, installed: Path
) -> None:
    """Even where the files agree with each other."""
    hub.repositories[f"template-zoo/{NAME}"] = repository
    config, weights = (repository.files()[one].content for one in (CONFIG_FILE, WEIGHTS_FILE))
    repository.tamper(WEIGHTS_FILE, weights + b" " if name == WEIGHTS_FILE else weights)
    repository.tamper(CONFIG_FILE, config.replace(b'"cat"', b'"cow"') if name == CONFIG_FILE else config)
    line = run_python(machine | {"PYTHONPATH": str(installed)}, TRY, "wrn16-ours")
    assert line.startswith(f"DigestError: {name} of the Hub repository template-zoo/{NAME}@")


def test_another_organization(hub: Hub, machine: dict[str, str], repository: Repository, installed: Path) -> None:
    chosen = machine | {"PYTHONPATH": str(installed), "ZOO_HUB_ORG": "acme"}
    path, error = run_python(chosen, TRY, "wrn16-ours", "rn26").splitlines()
    assert path.endswith(f"models--acme--{NAME}/snapshots/{repository.refs['main']}")
    assert "the Hub repository acme/rn26.cifar10 does not exist or is private" in error


def test_a_folder_comes_before_the_hub(hub: Hub, machine: dict[str, str], package: Package, installed: Path) -> None:
    chosen = {"PYTHONPATH": str(installed), "ZOO_HUB_ORG": "acme", "ZOO_WEIGHTS": str(package.path.parent)}
    assert run_python(machine | chosen, TRY, "wrn16-ours").strip() == str(package.path)
    assert hub.log == []


def test_a_tree_of_several_pages(hub: Hub, machine: dict[str, str]) -> None:
    hub.page = 2
    assert run_python(machine, TRY, REFERENCE).startswith("/")
    assert len(hub.asked("tree")) > 2


def test_the_progress_is_shown(machine: dict[str, str]) -> None:
    # The library shows none in a pipe unless it is told to.
    ended = run_zoo(machine | {"HF_HUB_DISABLE_PROGRESS_BARS": "0", "TQDM_POSITION": "-1"}, "info", REFERENCE)
    assert "Downloading bytes" in ended.stderr


def test_the_parity_record_comes_with_the_model(machine: dict[str, str], package: Package, tmp_path: Path) -> None:
    run_python(machine, TRY, REFERENCE)
    assert cached(tmp_path, PARITY_FILE).read_bytes() == (package.path / PARITY_FILE).read_bytes()
