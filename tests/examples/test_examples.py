"""The scripts of examples/ run as their docstrings say, on the bundled model, without the network."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from PIL import Image
from support.serving import running

from serve.app import create_app
from serve.client import Client
from serve.inference.service import Service
from serve.settings import Settings
from zoo.outputs import NONE
from zoo.package import Package

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
pytestmark = [pytest.mark.process, pytest.mark.slow]

CAT, BIRD = ROOT / "tests/data/cat.jpg", ROOT / "tests/data/bird.png"


def run(script: str, *arguments: object, without: Iterable[str] = ()) -> str:
    """What an example prints; importing a module of `without` is an error there."""
    hide = "".join(f"sys.modules[{name!r}] = None; " for name in without)
    start = f"import runpy, sys; {hide}sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", start, EXAMPLES / script, *map(str, arguments)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def own_images(cifar: Path, tmp_path: Path) -> Path:
    """A folder with 16 images of each of two classes."""
    [file] = cifar.glob("train-*.parquet")
    rows = parquet.read_table(file).to_pylist()
    folder = tmp_path / "images"
    for label in (0, 1):
        (folder / f"class {label}").mkdir(parents=True)
        chosen = [row["img"]["bytes"] for row in rows if row["label"] == label][:16]
        for index, data in enumerate(chosen):
            (folder / f"class {label}" / f"{index}.png").write_bytes(data)
    return folder


def test_each_is_tested() -> None:
    tested = Path(__file__).read_text()
    assert [script.name for script in EXAMPLES.glob("*.py") if f'run("{script.name}"' not in tested] == []


def test_classify_and_map(tmp_path: Path) -> None:
    printed = run("classify_and_map.py", CAT, tmp_path / "map.png").splitlines()
    assert printed[0].startswith("cat: 94")
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.width > 512


def test_train_own_images(own_images: Path, tmp_path: Path) -> None:
    printed = run("train_own_images.py", own_images, tmp_path / "run", 1)
    model = tmp_path / "run/model"
    assert f"zoo serve --model local-dir:{model}" in printed
    package = Package.open(model)
    assert package.config.classes == ("class 0", "class 1")
    assert not package.verification_failed("fp32")


def test_own_loop(own_images: Path, tmp_path: Path) -> None:
    model = tmp_path / "run/model"
    printed = run("own_loop.py", own_images, model, 1).splitlines()
    assert printed[-1] == f"zoo serve --model local-dir:{model}"
    app = create_app(Service.open(Settings(model=(f"local-dir:{model}",), threads=1)))
    with running(app) as url, Client(url) as client:
        [result] = client.classify(CAT).results
    assert {share.label for share in result.classes} == {"class 0", "class 1"}


def test_ask_server(tmp_path: Path) -> None:
    with running(create_app(Service.open(Settings(threads=1)))) as url:
        printed = run("ask_server.py", url, tmp_path / "map.png", CAT, BIRD).splitlines()
    assert printed[0].startswith("cat.jpg: cat")
    assert "(2, 11, 8, 8)" in printed[3]
    assert printed[4] == "404 unknown_name"
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.width > 512


def test_own_output(tmp_path: Path) -> None:
    printed = run("own_output.py", tmp_path / "wrn16-norm.cifar10", ROOT / "tests/data").splitlines()
    assert printed[1] == "feature_norm: (100, 8, 8)"


def test_semantics_without_torch() -> None:
    printed = run("semantics_without_torch.py", CAT, BIRD, without=["torch"])
    assert printed.count("\n") == 2 * (1 + 8) + 1
    assert NONE not in printed
