import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import ExifTags, Image
from support.variants import CONTROLS, STRUCTURES

import zoo
from zoo.errors import PackageError
from zoo.files import sha256, write_json
from zoo.hub import local_models, open_model
from zoo.images.decode import decode_pixels
from zoo.images.preprocess import to_pixels
from zoo.package import CARD_FILE, MAP_FILE, METRICS_FILE, PARITY_FILE, Package
from zoo.package.card import ForeignCardError, hand_written, model_card, stated_licence, write_card
from zoo.package.timings import Speed, write_speed
from zoo.predictors.onnx import OnnxPredictor

MakePackage = Callable[..., Package]

RESULT = {"images": 10_000, "accuracy": 91.23, "patch_accuracy": 85.5, "loss": 0.3}
TRAINING = {
    "data": "cifar10",
    "images": 50_000,
    "minutes": 12.5,
    "machine": {"device": "a machine"},
    "torch": "2.8.0",
    "recipe": {"epochs": 15, "input_sizes": [16, 32]},
}


def result(package: Package, **changes: Any) -> dict[str, Any]:
    """An evaluation of the package's weights."""
    return RESULT | {"weights_sha256": package.config.weights_sha256} | changes


def training(package: Package, **changes: Any) -> dict[str, Any]:
    """How the package's weights were trained."""
    return {"training": TRAINING | {"weights_sha256": package.config.weights_sha256} | changes}


def front_matter(card: str) -> dict[str, Any]:
    before, block, _ = card.split("---\n", 2)
    assert before == ""
    return yaml.safe_load(block)


def test_the_front_matter_says_what_the_hub_wants_to_know(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    write_json(package.path / METRICS_FILE, {"test": {"onnx": result(package), "torch": result(package)}})
    facts = front_matter(model_card(package))
    assert facts["pipeline_tag"] == "image-classification"
    assert facts["datasets"] == ["uoft-cs/cifar10"]
    [model] = facts["model-index"]
    assert model["name"] == "wrn16-ours.cifar10"
    assert model["results"][0]["metrics"] == [{"type": "accuracy", "value": 91.23}]
    assert model["results"][0]["dataset"] == {"name": "cifar10", "type": "uoft-cs/cifar10", "split": "test"}


@pytest.mark.parametrize("accuracy", [0.0, 100.0])
def test_any_accuracy_is_in_the_front_matter(accuracy: float, make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    write_json(package.path / METRICS_FILE, {"test": {"torch": result(package, accuracy=accuracy)}})
    [model] = front_matter(model_card(package))["model-index"]
    assert model["results"][0]["metrics"] == [{"type": "accuracy", "value": accuracy}]


def test_a_model_that_was_not_measured_claims_nothing(make_package: MakePackage) -> None:
    card = model_card(make_package("wrn16-ours"))
    assert "model-index" not in front_matter(card)
    assert "Accuracy was not measured." in card
    assert "## Training" not in card
    assert "limits" in card


def test_every_measurement_has_a_row_beside_the_papers_number(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    (package.path / "model.onnx").write_bytes(bytes(5_000_000))
    onnx = RESULT | {"accuracy": 91.2, "onnx_sha256": sha256(package.path / "model.onnx")}
    measured = {"torch": result(package), "onnx": onnx, "server": result(package)}
    write_json(package.path / METRICS_FILE, {"test": measured})
    card = model_card(package)
    assert "| runtime | file | MB | test images | accuracy, % | patches, % |\n" in card
    assert re.search(r"\| PyTorch \| `model.safetensors` \| 5\.\d\d \| 10,000 \| 91.23 \| 85.50 \|", card)
    assert "| ONNX Runtime, fp32 | `model.onnx` | 5.00 | 10,000 | 91.20 | 85.50 |" in card
    assert "| server |  |  | 10,000 | 91.23 | 85.50 |" in card
    assert "ONNX Runtime, int8" not in card
    assert "Images are from cifar10. The paper reports 91.10" in card
    assert "by patch logits, or by the assignment for the server." in card


def test_accuracy_by_class_with_any_names(make_package: MakePackage) -> None:
    """Names are shown as they are: no mark-up, no further columns, no control characters."""
    package = make_package("wrn16-ours", classes=("a|b", "<img src=x>", "*c*\x1b"))
    accuracy = {"a|b": 50.0, "<img src=x>": 75.5, "*c*\x1b": 100.0}
    write_json(package.path / METRICS_FILE, {"test": {"torch": result(package, class_accuracy=accuracy)}})
    card = model_card(package)
    assert "| class | accuracy, % |\n" in card
    assert "| a\\|b | 50.00 |\n| \\<img src=x\\> | 75.50 |\n" in card
    assert r"| \*c\*\\x1b | 100.00 |" in card
    assert "<img" not in card.replace("\\<img", "")


def test_of_many_classes_the_card_shows_the_lowest(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    accuracy = {f"class {number}": float(number) for number in range(100)}
    write_json(package.path / METRICS_FILE, {"test": {"onnx-int8": result(package), "torch": result(package)}})
    assert "by class" not in model_card(package)
    write_json(package.path / METRICS_FILE, {"test": {"torch": result(package, class_accuracy=accuracy)}})
    card = model_card(package)
    assert "the 20 lowest of 100" in card
    assert "| class 19 | 19.00 |" in card
    assert "| class 20 |" not in card


def test_what_was_measured_of_other_weights_is_left_out(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    (package.path / "model.onnx").write_bytes(b"another file")
    # Of which weights the last was, nobody knows.
    measured = {"torch": result(package, weights_sha256="0" * 64), "onnx": result(package), "server": RESULT}
    content = {"test": measured} | training(package, weights_sha256="0" * 64)
    write_json(package.path / METRICS_FILE, content)
    card = model_card(package)
    assert "model-index" not in front_matter(card)
    assert "91.23" not in card
    assert "Accuracy was not measured." in card
    assert "## Training" not in card
    # Then the images that were held out speak for it.
    write_json(package.path / METRICS_FILE, content | {"held-out": {"torch": result(package)}})
    assert "| held-out images | accuracy, % |" in model_card(package)


def test_files_that_are_not_there_are_not_listed(make_package: MakePackage) -> None:
    package = make_package("wrn16")
    proof = {"onnx_sha256": "a", "weights_sha256": package.config.weights_sha256, "agreement": {"logits": 1.0}}
    write_json(package.path / PARITY_FILE, {"fp32": {"CPUExecutionProvider": proof}})
    onnx = RESULT | {"onnx_sha256": "a"}
    write_json(package.path / METRICS_FILE, {"test": {"torch": result(package), "onnx": onnx}})
    card = model_card(package)
    assert "ONNX" not in card
    assert "same class" not in card
    assert "the assignment" not in card


def test_every_precision_has_its_size_agreement_and_speed(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    for name, count in {"model.onnx": 5_000_000, "model.int8.onnx": 1_400_000}.items():
        (package.path / name).write_bytes(bytes(count))
    digest = sha256(package.path / "model.int8.onnx")
    proof = {"agreement": {"logits": 0.9937}, "onnx_sha256": digest}
    other = {"agreement": {"logits": 0.5}, "onnx_sha256": "0" * 64}
    parity = {"fp32": {"CPUExecutionProvider": other}, "int8": {"CPUExecutionProvider": proof}}
    write_json(package.path / PARITY_FILE, parity)
    card = model_card(package)
    assert "Median times" not in card
    assert "| runtime | file | MB | same class, % |\n| --- | --- | --: | --: |\n" in card
    measured = Speed(digest, "ONNX Runtime on the CPU", "a processor", 2, "1.22", {1: 0.0011, 32: 0.02})
    # What was measured of another file is not told.
    write_speed(package, {"fp32": replace(measured, onnx_sha256="0" * 64), "int8": measured})
    card = model_card(package)
    assert "| ONNX Runtime, fp32 | `model.onnx` | 5.00 |  |  |  |" in card
    assert "| ONNX Runtime, int8 | `model.int8.onnx` | 1.40 | 99.37 | 1.10 | 1600 |" in card
    assert "Median times with ONNX Runtime on the CPU (version 1.22), a processor, 2 threads;" in card


def test_an_engine_has_a_row_where_something_was_measured_with_it(make_package: MakePackage) -> None:
    package = make_package("wrn16-ours")
    (package.path / "model.onnx").write_bytes(b"a file")
    assert "OpenVINO" not in model_card(package)
    digest = sha256(package.path / "model.onnx")
    score = {"images": 1000, "accuracy": 90.1, "patch_accuracy": 85.2, "onnx_sha256": digest}
    write_json(package.path / METRICS_FILE, {"test": {"openvino-bf16": score}})
    measured = Speed(digest, "OpenVINO on the CPU", "a processor", 2, "1.22", {1: 0.0011, 32: 0.02}, "2026.4.1")
    write_speed(package, {"openvino-bf16": measured})
    card = model_card(package)
    assert "| OpenVINO, bf16 | `model.onnx` | 0.00 | 1,000 | 90.10 | 85.20 | 1.10 | 1600 |" in card
    assert "(version 1.22) and OpenVINO 2026.4.1, a processor" in card
    # Another file was measured.
    (package.path / "model.onnx").write_bytes(b"another file")
    assert "OpenVINO" not in model_card(package)


@pytest.mark.parametrize(("variant", "data"), [("wrn16-aux", "cifar10"), ("wrn16", "pets")])
def test_where_the_paper_has_no_number(variant: str, data: str, make_package: MakePackage) -> None:
    package = make_package(variant, data=data)
    write_json(package.path / METRICS_FILE, {"test": {"torch": result(package)}})
    assert "accuracy, %" in model_card(package)
    assert "The paper reports" not in model_card(package)


def test_the_training_is_told(make_package: MakePackage) -> None:
    package = make_package()
    write_json(package.path / METRICS_FILE, training(package))
    card = model_card(package)
    assert "50,000 images of cifar10 in 12.5 minutes (a machine; torch 2.8.0).\n" in card
    assert "| epochs | 15 |" in card
    assert "| input_sizes | [16, 32] |" in card
    assert "<details>" not in card
    history = [{"epoch": 1, "loss": 1.9}, {"epoch": 2, "loss": 1.3}]
    write_json(package.path / METRICS_FILE, training(package, history=history, rounded_from_sha256="0" * 64))
    card = model_card(package)
    assert "| epoch | loss |\n| --: | --: |\n| 1 | 1.9 |\n| 2 | 1.3 |" in card
    assert "torch 2.8.0). The weights were then rounded to half precision.\n" in card


def test_a_setting_does_not_break_the_table(make_package: MakePackage) -> None:
    package = make_package()
    write_json(package.path / METRICS_FILE, training(package, recipe={"start_from": "a|b\n# c", "seed": 0}))
    assert "| start_from | a\\|b # c |\n| seed | 0 |\n" in model_card(package)


def test_the_licence_is_its_owners_to_state(make_package: MakePackage) -> None:
    package = make_package()
    card = model_card(package)
    assert "license" not in front_matter(card)
    stated = {"license": "other", "license_name": "mine", "license_link": "https://example.org/licence: 1"}
    lines = "license: other\nlicense_name: 'mine'\nlicense_link: 'https://example.org/licence: 1'\n"
    (package.path / CARD_FILE).write_text(card.replace("---\n", f"---\n{lines}", 1))
    write_card(package)
    card = (package.path / CARD_FILE).read_text()
    assert stated_licence(card) == stated
    assert front_matter(card).items() >= stated.items()
    assert front_matter(model_card(package, licence={"license": "mit"}))["license"] == "other"
    (package.path / CARD_FILE).unlink()
    assert front_matter(model_card(package, licence={"license": "mit"}))["license"] == "mit"


def test_a_licence_in_the_text_is_none() -> None:
    assert stated_licence("license: mit\n---\nlicense: mit\n---\n") == {}
    assert stated_licence("---\ntags:\n- a\n---\nlicense: mit\n") == {}


def test_a_card_that_is_not_utf8(make_package: MakePackage) -> None:
    package = make_package()
    (package.path / CARD_FILE).write_bytes("# für".encode("latin-1"))
    with pytest.raises(PackageError, match=r"README\.md is not UTF-8 at byte 3; save it as UTF-8, or remove it"):
        model_card(package)
    write_card(package)
    assert (package.path / "README.old.md").read_bytes() == "# für".encode("latin-1")
    assert (package.path / CARD_FILE).read_text() == model_card(package)


@pytest.mark.parametrize("variant", [*STRUCTURES, *CONTROLS])
def test_the_model_is_described(variant: str, make_package: MakePackage) -> None:
    card = model_card(make_package(variant))
    assert f"# {variant}.cifar10" in card
    assert f"{zoo.info(variant).parameters(10):,} parameters, 32x32 pixels, 10 classes: class 0, class 1" in card
    assert 'zoo.load("local-dir:PATH")' in card
    assert ("answer.assignment" in card) == (zoo.info(variant).patch_source == "semantic block")


def test_many_classes_are_not_listed(make_package: MakePackage) -> None:
    classes = tuple(f"kind {index}" for index in range(100))
    card = model_card(make_package("wrn16-ours", classes=classes, data="cifar100"))
    assert "100 classes.\n" in card
    assert "kind 7" not in card


def test_a_card_of_somebody_else_is_kept_beside(make_package: MakePackage) -> None:
    package = make_package()
    (package.path / CARD_FILE).write_text("# All by hand\n")
    with pytest.raises(ForeignCardError, match=r"README\.md was not written by the zoo"):
        model_card(package)
    write_card(package)
    assert (package.path / CARD_FILE).read_text() == model_card(package)
    assert (package.path / "README.old.md").read_text() == "# All by hand\n"


BEGIN, END = "<!-- by hand: what stands between these two lines is kept -->", "<!-- /by hand -->"


@pytest.mark.parametrize(
    ("section", "kept"),
    [
        (f"{BEGIN}\n{END}", ""),
        (f"{BEGIN}\n\n{END}", ""),
        (f"{BEGIN}\ntext\n{END}", "text\n"),
        (f"{BEGIN} \ntext\n  {END} ", "text\n"),
        (f"<!-- by hand -->\ntext {END}", "text\n"),
        (f"{BEGIN}\nfirst\n{END}\nsecond\n{END}", f"first\n{END}\nsecond\n"),
        (f"{BEGIN}\nfirst\n{BEGIN}\nsecond\n{END}", f"first\n{BEGIN}\nsecond\n"),
    ],
)
def test_what_people_do_to_the_lines(section: str, kept: str) -> None:
    assert hand_written(f"# A card\n\n{section}\n\n## Use\n", "it") == kept


@pytest.mark.parametrize("card", ["# A card", f"# A card\n{BEGIN}\ntext", f"# A card\ntext\n{END}\n"])
def test_a_card_without_the_lines(card: str) -> None:
    with pytest.raises(ForeignCardError, match="README of acme was not written by the zoo"):
        hand_written(card, "README of acme")


def test_what_was_written_by_hand_is_kept(make_package: MakePackage) -> None:
    package = make_package()
    write_card(package)
    card = (package.path / CARD_FILE).read_text()
    assert hand_written(card, CARD_FILE) == ""
    begin, end = (line for line in card.splitlines() if "by hand" in line)
    written = card.replace(f"{begin}\n", f"{begin}\n## Notes\n\nBeware of *frogs*.\n")
    (package.path / CARD_FILE).write_text(written)
    write_json(package.path / METRICS_FILE, training(package))
    write_card(package)
    card = (package.path / CARD_FILE).read_text()
    assert f"{begin}\n## Notes\n\nBeware of *frogs*.\n{end}\n" in card
    assert "12.5 minutes" in card
    assert "Beware" in model_card(package, by_hand="of something else")
    (package.path / CARD_FILE).unlink()
    assert f"{begin}\nas there\n{end}" in model_card(package, by_hand="as there\n")


def test_the_image_is_shown(make_package: MakePackage) -> None:
    package = make_package("wrn16")
    assert MAP_FILE not in model_card(package)
    (package.path / MAP_FILE).write_bytes(b"an image")
    assert f"({MAP_FILE})\n\nOne cell per patch" in model_card(package)
    assert "by the class activation map." in model_card(package)


def test_the_examples_name_the_repository() -> None:
    card = model_card(open_model("wrn16-ours"), "acme/model")
    assert 'zoo.load("hf-hub:acme/model")' in card
    assert 'hf_hub_download("acme/model", "model.onnx")' in card
    assert "zoo serve --model hf-hub:acme/model\n" in card


@pytest.fixture
def sideways(photo_file: Path, tmp_path: Path) -> Path:
    """The photograph as a phone held upright stores it: lying, with a note that says how to turn it."""
    file, exif = tmp_path / "sideways.jpg", Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    with Image.open(photo_file) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif, quality=95)
    return file


@pytest.mark.parametrize("turned", [False, True])
def test_the_examples_do_what_they_say(
    turned: bool, photo_file: Path, sideways: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package, file = open_model("wrn16-ours"), sideways if turned else photo_file
    card = model_card(package).replace("PATH", str(package.path)).replace("photo.jpg", str(file))
    python, onnx = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}
    exec(compile(python, "card", "exec"), first)
    exec(compile(onnx, "card", "exec"), second)
    square = decode_pixels(file.read_bytes(), 32).pixels
    [expected] = OnnxPredictor.open(package, "cpu", threads=1)(square[None]).logits
    assert capsys.readouterr().out == f"{package.config.classes[expected.argmax()]}\n" * 2 == "cat\ncat\n"
    assert (first["pixels"][0].numpy() == square).all()
    # Decoded whole, where the zoo decodes a large JPEG at a fraction of its size.
    assert np.abs(second["pixels"][0] - square.astype(float)).mean() < 1
    with Image.open(file) as lying:
        as_stored, _ = to_pixels(lying, 32)
    assert (np.abs(as_stored - square.astype(float)).mean() > 10) == turned


@pytest.mark.parametrize("name", local_models())
def test_the_shipped_cards_are_up_to_date(name: str) -> None:
    package = open_model(name)
    assert (package.path / CARD_FILE).read_text() == model_card(package)
