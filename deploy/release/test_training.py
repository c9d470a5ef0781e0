"""Tests of `pip install 'template-zoo[explain,export,serve]'`."""

import json
import shutil

import pytest
from release.environment import Environment
from release.readme import PYTHON_EXAMPLE, SOURCE
from support.loopback_hub import Hub

MODEL = "local-dir:runs/wrn16-ours.images/model"


def test_the_example_in_python(training: Environment) -> None:
    assert training.run("python", "-c", PYTHON_EXAMPLE) == "cat\n"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("len(zoo.list_models('dn100*'))", "3"),
        ("zoo.info('rn26').mechanism", "plain"),
        ("zoo.create('wrn16-ours', num_classes=100).training", "True"),
        ("zoo.load('hf-hub:template-zoo/wrn16-ours.cifar10@main').config.name", "wrn16-ours.cifar10"),
        ("zoo.AutoModel.from_pretrained('template-zoo/wrn16-ours.cifar10').config.name", "wrn16-ours.cifar10"),
        ("zoo.load('wrn16-ours', num_classes=3).training", "False"),
    ],
)
def test_networks(expression: str, value: str, training: Environment) -> None:
    assert training.run("python", "-c", f"import zoo; print({expression})").strip() == value


@pytest.fixture(scope="module")
def trained(training: Environment) -> Environment:
    """Environment with a model trained on a folder with one sub-folder per class."""
    for name, image in (("bird", "bird.png"), ("cat", "cat.jpg")):
        folder = training.folder / "images" / name
        folder.mkdir(parents=True)
        for number in range(8):
            shutil.copy(SOURCE / "tests/data" / image, folder / f"{number}{image[-4:]}")
    short = ("--recipe", "finetune", "--epochs", 1, "--batch-size", 8, "--device", "cpu")
    training.run("zoo", "train", "wrn16-ours", "--data", "./images", *short)
    return training


LOGITS = """
import hashlib, torch, zoo
pixels = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
torch.set_num_threads(1)
with torch.inference_mode():
    print(hashlib.sha256(zoo.load("wrn16-ours", pretrained=True)(pixels).numpy().tobytes()).hexdigest())
"""


def test_the_published_model_answers_as_that_of_the_source_tree(training: Environment) -> None:
    """Bit-identical with the same PyTorch."""
    local = training.shell(f"ZOO_WEIGHTS='{SOURCE / 'weights'}' python -c '{LOGITS}'")
    assert training.run("python", "-c", LOGITS) == local


def test_train_export_and_classify(trained: Environment) -> None:
    trained.run("zoo", "export", MODEL)
    answer = json.loads(trained.run("zoo", "classify", "tests/data/cat.jpg", "--model", MODEL, "--json"))
    assert {share["label"] for share in answer["results"][0]["classes"]} == {"bird", "cat"}


def test_export_in_8_bits(trained: Environment) -> None:
    trained.run("zoo", "export", MODEL, "--precision", "int8", "--data", "images")
    trained.run("zoo", "verify", MODEL, "--precision", "int8", "--data", "images")


def test_publish(trained: Environment, hub: Hub) -> None:
    trained.run("zoo", "export", MODEL)
    trained.run("zoo", "verify", MODEL, "--data", "images")
    trained.shell(f"HF_TOKEN={hub.token('acme')} zoo publish {MODEL} --to acme")
    reference = "hf-hub:acme/wrn16-ours.images"
    answer = json.loads(trained.run("zoo", "classify", "tests/data/cat.jpg", "--model", reference, "--json"))
    assert answer["model"]["name"] == "wrn16-ours.images"


def test_reproduce_says_what_it_would_do(training: Environment) -> None:
    assert "dn100-ours-c" in training.run("zoo", "reproduce", "--dry-run")


def test_explain(training: Environment) -> None:
    training.run("zoo", "explain", "tests/data/cat.jpg", "--model", "wrn16-ours", "-o", "pages")
    assert "<html" in (training.folder / "pages/cat.html").read_text()
    assert (training.folder / "pages/cat.png").stat().st_size > 10_000
