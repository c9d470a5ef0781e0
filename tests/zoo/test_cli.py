import importlib.metadata
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import typer
from PIL import Image
from support.commands import fails

import zoo
from export.parity import TOLERANCES
from zoo import cli
from zoo.answers import patch_shares
from zoo.help import WIDTH
from zoo.hub import DEFAULT_MODEL, local_models, open_model
from zoo.images.decode import decode_pixels
from zoo.options import parse_data, parse_path
from zoo.package import METRICS_FILE, ONNX_FILES, Package
from zoo.predictors.open_predictor import open_predictor
from zoo.registry import info

RunZoo = Callable[..., subprocess.CompletedProcess[str]]
MakePackage = Callable[..., Package]

SOURCE = Path(zoo.__file__).resolve().parents[1]
SHADOWS = ("training", "export", "serve", "explain", "rich", "typer", "torch")


@pytest.fixture
def run_module(tmp_path: Path) -> RunZoo:
    """Run `python -m zoo` with arguments in a process of its own, in the test's folder."""

    def run(
        *arguments: object, stdout: object = subprocess.PIPE, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        search = os.pathsep.join([environment.pop("PYTHONPATH", str(SOURCE)), str(SOURCE)])
        return subprocess.run(
            [sys.executable, "-m", "zoo", *map(str, arguments)],
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": search} | environment,
            text=True,
            timeout=60,
        )

    return run


@pytest.mark.process
def test_the_installed_program(photo_file: Path) -> None:
    program = Path(sys.executable).with_name("zoo")
    ended = subprocess.run([program, "classify", photo_file], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert DEFAULT_MODEL in ended.stdout
    assert "cat" in ended.stdout


@pytest.mark.process
def test_an_error_of_the_installed_program(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("zoo")
    ended = subprocess.run([program, "classify", tmp_path / "no.png"], capture_output=True, text=True, timeout=60)
    fails(ended, r"no\.png: No such file or directory")


def test_help_names_the_commands_of_all_packages(run_zoo: RunZoo) -> None:
    ended = run_zoo("--help")
    assert ended.returncode == 0
    for command in ("list", "info", "classify", "patches", "train", "eval", "export", "verify", "serve"):
        assert f" {command} " in ended.stdout


def test_the_version(run_zoo: RunZoo) -> None:
    assert run_zoo("--version").stdout == f"{importlib.metadata.version('template-zoo')}\n"


@pytest.mark.parametrize("width", [80, 200])
def test_help_is_complete_at_any_width(width: int, run_zoo: RunZoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run_zoo("--help")  # adds the commands of all packages
    program = typer.main.get_command(cli.app)
    for name, command in program.commands.items():  # type: ignore[attr-defined]
        shown = run_zoo(name, "--help").stdout
        assert max(map(len, shown.splitlines())) <= min(width, WIDTH), name
        for parameter in command.params:
            assert all(option in shown for option in (*parameter.opts, *parameter.secondary_opts))
            explanation = " ".join((parameter.help or "").split()).removesuffix("]")  # further notes may follow
            assert explanation in " ".join(shown.split())


@pytest.mark.process
@pytest.mark.parametrize("command", [["list"], ["serve", "--help"], ["train", "--help"], ["semantics", "--help"]])
def test_files_of_the_working_directory_hide_no_package(command: list[str], run_module: RunZoo, tmp_path: Path) -> None:
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is not the package')")
    ended = run_module(*command)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


@pytest.mark.process
def test_files_of_pythonpath_hide_no_package(run_module: RunZoo, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "serve.py").write_text("raise SystemExit('this is not the package')")
    ended = run_module("serve", "--max-files", 0, PYTHONPATH=str(folder))
    assert "max_files = 0" in ended.stderr


@pytest.fixture
def broken_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the packages with commands cannot be imported."""

    class Broken:
        name, module = "training", "training.cli"

        def load(self) -> object:
            raise ImportError("no module named torch's friend")

    others = [one for one in cli.importlib.metadata.entry_points(group="zoo.commands") if one.name != "training"]
    monkeypatch.setattr(cli.importlib.metadata, "entry_points", lambda group: [Broken(), *others])
    registered = [one for one in cli.app.registered_commands if not str(one.callback.__module__).startswith("training")]
    monkeypatch.setattr(cli.app, "registered_commands", registered)


@pytest.mark.usefixtures("broken_package")
def test_a_broken_package_fails_only_where_it_is_used(run_zoo: RunZoo) -> None:
    assert run_zoo("list").returncode == 0
    assert run_zoo("export", "--help").returncode == 0
    assert re.search(
        r"training +\(unavailable, as the package cannot be imported: ImportError", run_zoo("--help").stdout
    )
    reason = r"these packages are unavailable, .*: training \(ImportError: no module named torch's friend\)"
    fails(run_zoo("train", "wrn16", "--device", "cpu"), f"unknown command 'train'; the commands of {reason}")
    fails(run_zoo("training", "--anything"), reason)


@pytest.mark.process
def test_an_output_that_is_full_is_an_error(run_module: RunZoo) -> None:
    with open("/dev/full", "w") as full:
        for command in ("list", "info"):
            ended = run_module(command, *["wrn16"] * (command == "info"), stdout=full)
            assert ended.returncode == 1
            assert ended.stderr.startswith("error: cannot read or write: No space left on device; free some space")


@pytest.mark.process
def test_an_output_that_takes_only_ascii(run_module: RunZoo, photo_file: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xe7\x8c\xab.jpg")  # no UTF-8, and then 猫
    shutil.copy(photo_file, tmp_path / name)
    ended = run_module("classify", name, PYTHONIOENCODING="ascii", COLUMNS="200")
    assert ended.returncode == 0, ended.stderr
    assert r"caf\xe9 \u732b.jpg" in ended.stdout
    ended = run_module("classify", name, "--json", PYTHONIOENCODING="ascii")
    assert json.loads(ended.stdout)["results"][0]["file"] == name


def test_a_name_cannot_write_to_the_terminal(run_zoo: RunZoo, photo_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "\x1b]0;title\x07.jpg"
    fails(run_zoo("classify", file), r"\\x1b\]0;title\\x07\.jpg: No such file")
    shutil.copy(photo_file, file)
    assert r"\x1b]0;title\x07.jpg" in run_zoo("classify", file).stdout


def test_a_home_directory_of_nobody(run_zoo: RunZoo, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(run_zoo("info", "local-dir:~no-such-user/x"), "no home directory ~no-such-user")
    monkeypatch.setenv("ZOO_WEIGHTS", "~no-such-user/x")
    fails(run_zoo("info", DEFAULT_MODEL), "no home directory ~no-such-user")


def test_list(run_zoo: RunZoo) -> None:
    ended = run_zoo("list")
    assert ended.returncode == 0
    rows = {line.split("│")[1].strip(): line for line in ended.stdout.splitlines() if line.startswith("│")}
    assert list(rows) == zoo.list_models()
    assert "1,298,768 + 388 C" in rows["wrn16-ours"]
    assert "140.1 M" in rows["wrn16-ours"]
    assert f"models available locally: {', '.join(local_models())}\n" in ended.stdout


def test_list_says_what_cannot_be_served_yet(
    run_zoo: RunZoo, make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_WEIGHTS", str(tmp_path))
    make_package("rn38", data="pets")
    complete = make_package("rn38-ours", data="pets")
    (complete.path / ONNX_FILES["int8"]).touch()
    said = run_zoo("list", "rn38*").stdout
    assert "without an ONNX file: rn38.pets; these need PyTorch" in said
    assert "`zoo export rn38.pets`" in json.loads(run_zoo("info", "rn38.pets").stdout)["onnx"]
    assert json.loads(run_zoo("info", "rn38-ours.pets").stdout)["onnx"] == ["int8"]


def test_list_by_pattern(run_zoo: RunZoo) -> None:
    output = run_zoo("list", "rn26*").stdout
    assert "rn26-ours" in output
    assert "dn100" not in output


def test_info_of_a_variant(run_zoo: RunZoo) -> None:
    facts = json.loads(run_zoo("info", "dn100-ours-c").stdout)
    assert facts["fixed_parameters"] == 1_364_286
    assert facts["paper_accuracy"]["cifar100"] == 72.14


def test_info_of_a_model(run_zoo: RunZoo) -> None:
    facts = json.loads(run_zoo("info", DEFAULT_MODEL).stdout)
    package = open_model(DEFAULT_MODEL)
    assert facts["name"] == DEFAULT_MODEL
    assert facts["path"] == str(package.path)
    assert facts["parameters"] == info(package.config.variant).parameters(10)
    assert facts["classes"] == list(package.config.classes)
    assert facts["metrics"] == package.metrics()
    assert facts["parity"] == package.parity()


def test_info_of_nothing(run_zoo: RunZoo) -> None:
    fails(run_zoo("info", "wrn16-hours"), "'wrn16-hours'; did you mean wrn16-ours")


def test_info_of_a_bare_path(run_zoo: RunZoo) -> None:
    fails(run_zoo("info", "weights/x"), r"there is no such folder; .* local-dir:PATH, for a Hub repository hf-hub:")


def test_info_of_a_model_with_broken_metrics(run_zoo: RunZoo, make_package: MakePackage) -> None:
    package = make_package()
    (package.path / METRICS_FILE).write_text("{")
    fails(run_zoo("info", f"local-dir:{package.path}"), "is not JSON")


def test_patches_as_an_image(run_zoo: RunZoo, photo_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "map.png"
    ended = run_zoo("patches", photo_file, "-o", output)
    assert ended.returncode == 0, ended.stderr
    assert "8 x 8 patches" in ended.stdout
    with Image.open(output) as image:
        assert image.format == "PNG"
        assert image.width > 600


def test_patches_as_an_array(run_zoo: RunZoo, photo_file: Path, photo: bytes, tmp_path: Path) -> None:
    output = tmp_path / "map.npy"
    assert run_zoo("patches", photo_file, "-o", output).returncode == 0
    shares = np.load(output, allow_pickle=False)
    prediction = open_predictor(open_model(DEFAULT_MODEL))(decode_pixels(photo, 32).pixels[None])
    np.testing.assert_allclose(shares, patch_shares(prediction)[0], atol=1e-4)


def test_patches_of_a_plain_variant(
    run_zoo: RunZoo, photo_file: Path, tmp_path: Path, make_package: MakePackage
) -> None:
    output = tmp_path / "map.npy"
    assert run_zoo("patches", photo_file, "-o", output, "-m", f"local-dir:{make_package('rn26').path}").returncode == 0
    shares = np.load(output)
    np.testing.assert_allclose(shares.sum(axis=0), np.ones((8, 8)), atol=1e-5)
    np.testing.assert_array_equal(shares[-1], 0)


@pytest.mark.parametrize("size", [(1, 1), (2000, 1), (10_000, 1)])
def test_patches_of_an_extreme_image(size: tuple[int, int], run_zoo: RunZoo, tmp_path: Path) -> None:
    Image.new("RGB", size).save(tmp_path / "in.png")
    assert run_zoo("patches", tmp_path / "in.png", "-o", tmp_path / "out.png").returncode == 0


@pytest.mark.parametrize("name", ["map.jpg", "map", "map.npz"])
def test_patches_knows_three_kinds_of_output(name: str, run_zoo: RunZoo, photo_file: Path, tmp_path: Path) -> None:
    fails(run_zoo("patches", photo_file, "-o", tmp_path / name), r"must end in \.png .* or \.json")
    assert not (tmp_path / name).exists()


def test_patches_as_json_says_what_the_array_holds(run_zoo: RunZoo, photo_file: Path, tmp_path: Path) -> None:
    for name in ("map.json", "map.npy"):
        run_zoo("patches", photo_file, "-o", tmp_path / name, "--top-k", 2)
    [result] = json.loads((tmp_path / "map.json").read_text())["results"]
    shares = np.load(tmp_path / "map.npy")
    assert result["grid"] == {"rows": 8, "columns": 8}
    assert result["source"] == "semantic block"
    patch = result["patches"][5][2]
    assert patch["probability"] == pytest.approx(shares[:-1, 5, 2].max(), abs=1e-6)
    assert patch["none"] == pytest.approx(shares[-1, 5, 2], abs=1e-6)
    assert len(patch["top"]) == 2


@pytest.mark.parametrize("name", ["map.png", "map.npy", "map.json"])
def test_patches_to_where_nothing_can_be_written(name: str, run_zoo: RunZoo, photo_file: Path, tmp_path: Path) -> None:
    fails(run_zoo("patches", photo_file, "-o", tmp_path / "no" / name), f"cannot write .*{name}: there is no folder")


@pytest.mark.parametrize("other_name", [False, True])
def test_patches_do_not_replace_the_image(
    other_name: bool, run_zoo: RunZoo, photo_file: Path, photo: bytes, tmp_path: Path
) -> None:
    image = output = tmp_path / "x.png"
    shutil.copy(photo_file, image)
    if other_name:
        output = tmp_path / "link.png"
        output.symlink_to(image)
    fails(run_zoo("patches", image, "-o", output), "it is an input file")
    assert image.read_bytes() == photo


def test_patches_of_an_image_whose_name_is_not_utf8(run_zoo: RunZoo, photo_file: Path, tmp_path: Path) -> None:
    file, output = tmp_path / os.fsdecode(b"caf\xe9.jpg"), tmp_path / "map.json"
    shutil.copy(photo_file, file)
    assert r"caf\xe9.jpg" in run_zoo("patches", file, "-o", output).stdout
    assert json.loads(output.read_text())["results"][0]["file"] == str(file)


@pytest.mark.parametrize("name", ["map.png", "map.npy", "map.json"])
def test_patches_of_a_pipe(name: str, run_zoo: RunZoo, photo: bytes, photo_file: Path, tmp_path: Path) -> None:
    """It can be read once only."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[photo])
    writer.start()
    ended = run_zoo("patches", pipe, "-o", tmp_path / name)
    writer.join(10)
    assert ended.returncode == 0, ended.stderr
    assert run_zoo("patches", photo_file, "-o", tmp_path / f"file-{name}").returncode == 0
    if name != "map.json":  # it holds the file's name
        assert (tmp_path / name).read_bytes() == (tmp_path / f"file-{name}").read_bytes()


def test_patches_of_a_damaged_image(run_zoo: RunZoo, photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(photo[:5000])
    fails(run_zoo("patches", tmp_path / "cut.jpg", "-o", tmp_path / "map.png"), r"cut\.jpg: .*truncated or damaged")


def test_patches_shows_any_file_name_as_it_is(
    run_zoo: RunZoo, photo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(photo_file, tmp_path / "in [bold].jpg")
    monkeypatch.chdir(tmp_path)
    output = run_zoo("patches", "in [bold].jpg", "-o", "out [red].npy").stdout
    assert "out [red].npy: 8 x 8 patches of in [bold].jpg" in output


def test_every_path_may_begin_at_a_home_directory() -> None:
    cli._add_commands()
    parameters = [
        (f"{command.callback.__name__} {parameter.name}", parameter.annotation)
        for command in cli.app.registered_commands
        for parameter in inspect.signature(command.callback, eval_str=True).parameters.values()
    ]
    paths = {name: hint for name, hint in parameters if "Path" in str(get_args(hint)[0])}
    assert {"classify csv", "train run", "export output", "search index", "claims raw"} <= set(paths)
    assert [name for name, hint in paths.items() if get_args(hint)[1].parser is not parse_path] == []
    data = {
        name: hint
        for name, hint in parameters
        if name.split()[1] in ("data", "datasets", "backgrounds", "images") and "str" in str(hint) and name not in paths
    }
    assert len(data) >= 8
    assert [name for name, hint in data.items() if get_args(hint)[1].parser is not parse_data] == []


def test_paths_begin_at_a_home_directory(
    run_zoo: RunZoo, photo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(photo_file, tmp_path / "cat.jpg")
    ended = run_zoo("patches", "~/cat.jpg", "-o", "~/map.json")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "map.json").is_file()
    assert run_zoo("classify", "~/cat.jpg", "~/cat.jpg").returncode == 0


def test_a_path_of_nobody(run_zoo: RunZoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for option in ("--run-folder", "--out", "--data"):
        ended = run_zoo("train", "wrn16", option, "~no-such-user/r")
        assert ended.returncode == 2
        assert "~no-such-user" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
@pytest.mark.parametrize("package", ["zoo.cli", "export.cli", "serve.cli", "explain.cli"])
def test_the_commands_of_a_package_need_none_of_another_one(package: str) -> None:
    others = [name for name in ("training", "export", "serve", "explain") if not package.startswith(name)]
    code = f"import sys; sys.modules.update(dict.fromkeys({others})); import {package}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_probe_prefers_held_out_images(run_zoo: RunZoo) -> None:
    shown = " ".join(run_zoo("probe", "--help").stdout.split())
    assert "[default: held-out, else test, else validation]" in shown


def test_help_shows_the_default_tolerances(run_zoo: RunZoo) -> None:
    shown = run_zoo("verify", "--help").stdout
    for tolerance in TOLERANCES.values():
        for number in (tolerance.atol, tolerance.rtol, tolerance.min_agreement):
            assert f" {number:g}" in shown
