import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from support.commands import fails
from support.images import coloured, write_files
from support.serving import GatedPredictor, running

from serve.app import create_app
from serve.inference.service import Service
from serve.settings import Settings
from zoo.answers import top_classes
from zoo.classify import fetch as fetch_module
from zoo.classify.decoding import BATCH
from zoo.hub import DEFAULT_MODEL, open_model
from zoo.images.decode import decode_pixels
from zoo.package import CONFIG_FILE, Package
from zoo.predictors.open_predictor import open_predictor

RunZoo = Callable[..., subprocess.CompletedProcess[str]]
MakePackage = Callable[..., Package]

KEY = "a-key-of-the-server"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


@pytest.fixture
def folder(tmp_path: Path, photo: bytes) -> Path:
    """Seventy images, the last of them in a folder of its own, and two files that are none."""
    files = {f"images/{number:02}.png": coloured(number) for number in range(69)}
    files |= {"images/below/cat.jpg": photo, "images/10x.png": b"text", "images/20x.jpg": photo[:5000]}
    write_files(tmp_path, files)
    return tmp_path / "images"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that takes three images per request, and needs a key."""
    settings = replace(Settings(), max_files=3, api_keys=(KEY,))
    package = open_model(DEFAULT_MODEL)
    with running(create_app(Service(settings, [package], lambda package: GatedPredictor()))) as url:
        yield url


def pipe_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(data)))


def test_one_image_as_a_table(run_zoo: RunZoo, photo_file: Path) -> None:
    output = run_zoo("classify", photo_file, "--top-k", 2).stdout
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in output.splitlines() if line.startswith("│")]
    assert [row[0] for row in rows] == [str(photo_file), ""]
    assert rows[0][1] == "cat"
    assert float(rows[0][2].rstrip("%")) > float(rows[1][2].rstrip("%"))


def test_one_image_as_json(run_zoo: RunZoo, photo_file: Path, photo: bytes) -> None:
    answer = json.loads(run_zoo("classify", photo_file, photo_file, "--json").stdout)
    assert answer["model"]["name"] == DEFAULT_MODEL
    assert answer["results"][0]["box"] == [75.5, 0, 375.5, 300]
    package = open_model(DEFAULT_MODEL)
    prediction = open_predictor(package)(decode_pixels(photo, 32).pixels[None])
    expected = top_classes(prediction.logits[0], package.config.classes, 5)
    for result in answer["results"]:
        assert result["file"] == str(photo_file)
        assert [entry["label"] for entry in result["classes"]] == [share.label for share in expected]
        probabilities = [entry["probability"] for entry in result["classes"]]
        assert probabilities == pytest.approx([share.probability for share in expected], abs=1e-4)


@pytest.mark.parametrize("top_k", [0, -1, 11])
def test_a_top_k_that_cannot_be(top_k: int, run_zoo: RunZoo, photo_file: Path) -> None:
    fails(run_zoo("classify", photo_file, "--top-k", top_k), f"top_k = {top_k}: must be between 1 and 10")


def test_with_weights_that_do_not_fit(run_zoo: RunZoo, photo_file: Path, make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    (package.path / CONFIG_FILE).write_text(replace(package.config, variant="rn26").to_json())
    fails(run_zoo("classify", photo_file, "-m", f"local-dir:{package.path}"), "do not match rn26")


def test_with_a_model_without_an_onnx_file(run_zoo: RunZoo, photo_file: Path, make_package: MakePackage) -> None:
    package = make_package("wrn16", classes=("yes", "no"), data="other", size=40)
    answer = json.loads(run_zoo("classify", photo_file, "--json", "-m", f"local-dir:{package.path}").stdout)
    assert answer["model"]["name"] == "wrn16.other"
    assert {entry["label"] for entry in answer["results"][0]["classes"]} == {"yes", "no"}


@pytest.mark.parametrize("name", ["cat [bold]x.jpg", "cat [/x].jpg", ":cat:.jpg", "Katze ö 猫.jpg"])
def test_any_file_name_is_shown_as_it_is(
    name: str, run_zoo: RunZoo, photo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    shutil.copy(photo_file, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert name in run_zoo("classify", name).stdout


def test_a_folder_as_csv(run_zoo: RunZoo, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    ended = run_zoo("classify", folder, "--csv", output, "--top", 2)
    assert ended.returncode == 1
    assert ended.stdout == ""
    first, *bad = ended.stderr.splitlines()
    assert first == "error: 2 of 72 images cannot be read:"
    assert [line.split(":")[0].strip() for line in bad] == [f"{folder}/10x.png", f"{folder}/20x.jpg"]
    table = rows(output.read_text())
    assert list(table[0]) == ["file", "label", "probability", "label_2", "probability_2"]
    names = [f"{number:02}.png" for number in range(69)]
    assert [row["file"] for row in table] == [str(folder / name) for name in [*names, "below/cat.jpg"]]
    assert table[-1]["label"] == "cat"
    assert float(table[-1]["probability"]) == pytest.approx(0.9414, abs=1e-3)
    single = json.loads(run_zoo("classify", folder / "68.png", "--json").stdout)["results"][0]["classes"][0]
    assert table[68]["label"] == single["label"]
    assert float(table[68]["probability"]) == pytest.approx(single["probability"], abs=1e-4)


def test_json_lines_are_the_results_of_json(run_zoo: RunZoo, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    run_zoo("classify", folder, "--jsonl", output)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    text = run_zoo("classify", folder, "--json").stdout
    whole = json.loads(text)
    assert text == json.dumps(whole, indent=2) + "\n"
    assert whole["model"] == open_model(DEFAULT_MODEL).config.identity()
    assert len(lines) == 70
    assert [line["file"] for line in lines] == [result["file"] for result in whole["results"]]
    assert lines[-1]["image"] == {"width": 451, "height": 300}


def test_many_images_are_several_tables(run_zoo: RunZoo, folder: Path) -> None:
    ended = run_zoo("classify", folder, "--top", 1)
    assert ended.returncode == 1
    assert ended.stdout.count(DEFAULT_MODEL) == 2
    names = re.findall(r"images/(\S+) ", ended.stdout)
    assert len(names) == 70
    assert ended.stdout.index(names[BATCH - 1]) < ended.stdout.rindex(DEFAULT_MODEL) < ended.stdout.index(names[BATCH])


def test_standard_input_and_output(run_zoo: RunZoo, photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_in(monkeypatch, photo)
    [row] = rows(run_zoo("classify", "-", "--csv", "-", "--top", 1).stdout)
    assert (row["file"], row["label"]) == ("-", "cat")


def test_a_list_on_standard_input(run_zoo: RunZoo, photo_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_in(monkeypatch, f"{photo_file}\n{photo_file.parent / 'bird.png'}\n".encode())
    ended = run_zoo("classify", "--from-file", "-", "--jsonl", "-")
    assert ended.returncode == 0, ended.stderr
    assert [Path(json.loads(line)["file"]).name for line in ended.stdout.splitlines()] == ["cat.jpg", "bird.png"]


def test_a_url(run_zoo: RunZoo, photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "fetch", {"https://x.org/cat.jpg": photo}.__getitem__)
    answer = json.loads(run_zoo("classify", "https://x.org/cat.jpg", "--json").stdout)
    assert answer["results"][0]["file"] == "https://x.org/cat.jpg"
    assert answer["results"][0]["classes"][0]["label"] == "cat"


def test_a_url_inside_the_network(run_zoo: RunZoo) -> None:
    fails(
        run_zoo("classify", "http://127.0.0.1/cat.jpg"), r"http://127\.0\.0\.1/cat\.jpg: .*not on the public internet"
    )


def test_the_bad_one_of_several_files_is_named_and_the_others_answered(
    run_zoo: RunZoo, photo_file: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "text.png"
    bad.write_text("this is text")
    ended = run_zoo("classify", bad, photo_file)
    assert ended.returncode == 1
    assert "cat" in ended.stdout
    assert re.search(r"1 of 2 images cannot be read:\n  .*text\.png: the file is not an image", ended.stderr)


def test_a_file_that_is_not_there_or_a_folder_without_images(run_zoo: RunZoo, tmp_path: Path) -> None:
    fails(run_zoo("classify", tmp_path / "no.png"), r"cannot read .*no\.png: No such file or directory; check the path")
    fails(run_zoo("classify", tmp_path, "--json"), "the folder has no images")


def test_names_keep_their_bytes(run_zoo: RunZoo, photo: bytes, tmp_path: Path) -> None:
    name = os.fsdecode(b'caf\xe9, "x".jpg')
    write_files(tmp_path, {name: photo})
    run_zoo("classify", tmp_path / name, "--csv", tmp_path / "out.csv")
    assert rows((tmp_path / "out.csv").read_text(errors="surrogateescape"))[0]["file"] == str(tmp_path / name)
    run_zoo("classify", tmp_path / name, "--jsonl", tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_bytes())["file"] == str(tmp_path / name)


def test_answers_are_labels_to_train_on(run_zoo: RunZoo, tmp_path: Path) -> None:
    from zoo.images.label_tables import open_labelled_files

    write_files(tmp_path, {f"{number}.png": coloured(number) for number in range(20)})
    run_zoo("classify", tmp_path, "--csv", tmp_path / "labels.csv")
    found = open_labelled_files(str(tmp_path / "labels.csv"))
    assert sum(map(len, found.files["train"].values())) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--csv", "a.csv", "--jsonl", "b.jsonl"), "--csv and --jsonl: give only one of them"),
        (("--csv", "-", "--json"), "--csv and --json: give only one of them"),
        (("--csv", "nowhere/a.csv"), "cannot write nowhere/a.csv: there is no folder nowhere; make it"),
        (("--csv", "."), "cannot write .: it is a directory"),
        (("--csv", "cat.jpg"), "it is an input file"),
        (("--jsonl", "list.txt", "--from-file", "list.txt"), "it is an input file"),
        (("--from-file", "no.txt", "--csv", "out.csv"), "no.txt: No such file"),
        (("--model", "wrn16-hours"), "did you mean wrn16-ours"),
        (("-", "-"), "was given 2 times"),
        (("--server", "http://127.0.0.1:1"), "no response from"),
        (("--server", "nonsense"), "nonsense"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_computed(
    arguments: tuple[str, ...],
    message: str,
    run_zoo: RunZoo,
    photo_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("serve.client.client.TRIES", 1)
    shutil.copy(photo_file, "cat.jpg")
    Path("list.txt").write_text("cat.jpg\n")
    fails(run_zoo("classify", "cat.jpg", *arguments), re.escape(message))
    assert {file.name for file in tmp_path.iterdir()} == {"cat.jpg", "list.txt"}


def test_an_output_that_is_full_and_a_list_that_is_a_folder(run_zoo: RunZoo, photo_file: Path, tmp_path: Path) -> None:
    fails(run_zoo("classify", photo_file, "--csv", "/dev/full"), "cannot write /dev/full: No space left on device")
    ended = run_zoo("classify", "--from-file", tmp_path, "--csv", tmp_path / "out.csv")
    fails(ended, f"{tmp_path}: Is a directory")


def test_nothing_to_classify(run_zoo: RunZoo) -> None:
    ended = run_zoo("classify")
    assert ended.returncode == 2
    assert "give images, or --from-file" in ended.stderr


def test_a_server_answers_as_this_machine_does(run_zoo: RunZoo, url: str, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    ended = run_zoo("classify", folder, "--server", url, "--api-key", KEY, "--jsonl", output, "--top", 2)
    assert ended.returncode == 1
    first, *bad = ended.stderr.splitlines()
    assert first == "error: 2 of 72 images cannot be read:"
    assert bad[0].startswith(f"  {folder}/10x.png: the file is not an image in one of the formats")
    assert bad[1].startswith(f"  {folder}/20x.jpg: the image is truncated or damaged")
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    expected = sorted(str(path) for path in folder.rglob("*.*") if path.stem[-1] != "x")
    assert sorted(line["file"] for line in lines) == expected
    assert all(len(line["classes"]) == 2 for line in lines)
    photograph = lines[-1]
    assert photograph["file"] == str(folder / "below" / "cat.jpg")
    assert (photograph["image"], photograph["box"]) == ({"width": 451, "height": 300}, [75.5, 0, 375.5, 300])


def test_the_key_of_a_server_comes_from_the_environment(
    run_zoo: RunZoo, url: str, photo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(
        run_zoo("classify", photo_file, "--server", url),
        r"401 \(unauthorized\).*\(give --api-key, or set ZOO_CLIENT_API_KEY",
    )
    monkeypatch.setenv("ZOO_CLIENT_API_KEY", KEY)
    answer = json.loads(run_zoo("classify", photo_file, "--server", url, "--json", "-m", "wrn16-ours").stdout)
    assert answer["model"] == open_model(DEFAULT_MODEL).config.identity()
    fails(run_zoo("classify", photo_file, "--server", url, "-m", "rn26"), f"unknown model 'rn26'; .*{DEFAULT_MODEL}")
    fails(run_zoo("classify", photo_file, "--server", url, "--top", 11), "top_k = 11: must be between 1 and 10")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("output", ["file", "-"])
def test_progress_is_shown_where_no_answers_are(
    output: str, run_zoo: RunZoo, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors, answers = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(sys, "stdout", answers)
    monkeypatch.setenv("TERM", "xterm")
    run_zoo("classify", folder, "--csv", tmp_path / "out.csv" if output == "file" else "-")
    assert ("72/72" in errors.getvalue()) == (output == "file")
    assert ("2 unreadable" in errors.getvalue()) == (output == "file")
    assert (answers.getvalue().count("\n") == 71) == (output == "-")
