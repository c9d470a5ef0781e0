"""What `pip install 'template-zoo[train,export,serve]'` gives."""

import json
import shutil

import pytest
from release.environment import Environment
from release.readme import PYTHON_EXAMPLE, SOURCE

MODEL = "local-dir:runs/wrn16-ours.pictures/model"


def test_the_example_in_python(training: Environment) -> None:
    assert training.run("python", "-c", PYTHON_EXAMPLE) == "cat\n"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("len(zoo.list_models('dn100*'))", "3"),
        ("zoo.info('rn26').mechanism", "plain"),
        ("zoo.create('wrn16-ours', num_classes=100).training", "True"),
        ("zoo.load('local-dir:weights/wrn16-ours.cifar10').config.name", "wrn16-ours.cifar10"),
        ("zoo.load('wrn16-ours', num_classes=3).training", "False"),
    ],
)
def test_networks(expression: str, value: str, training: Environment) -> None:
    assert training.run("python", "-c", f"import zoo; print({expression})").strip() == value


@pytest.fixture(scope="module")
def trained(training: Environment) -> Environment:
    """Has trained on a folder of pictures, a folder a class."""
    for name, picture in (("bird", "bird.png"), ("cat", "cat.jpg")):
        folder = training.folder / "pictures" / name
        folder.mkdir(parents=True)
        for number in range(8):
            shutil.copy(SOURCE / "tests/data" / picture, folder / f"{number}{picture[-4:]}")
    short = ("--recipe", "finetune", "--epochs", 1, "--batch-size", 8, "--device", "cpu")
    training.run("zoo", "train", "wrn16-ours", "--data", "./pictures", *short)
    return training


def test_train_export_and_classify(trained: Environment) -> None:
    trained.run("zoo", "export", MODEL)
    answer = json.loads(trained.run("zoo", "classify", "tests/data/cat.jpg", "--model", MODEL, "--json"))
    assert {share["label"] for share in answer["results"][0]["classes"]} == {"bird", "cat"}


def test_export_in_8_bits(trained: Environment) -> None:
    trained.run("zoo", "export", MODEL, "--precision", "int8", "--data", "pictures")
    trained.run("zoo", "verify", MODEL, "--precision", "int8", "--data", "pictures")


def test_reproduce_says_what_it_would_do(training: Environment) -> None:
    assert "dn100-ours-c" in training.run("zoo", "reproduce", "--dry-run")
