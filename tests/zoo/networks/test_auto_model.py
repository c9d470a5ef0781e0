from pathlib import Path

import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn

import zoo
from zoo.errors import PackageError
from zoo.hub import open_model
from zoo.package import CONFIG_FILE

PACKAGE = open_model("wrn16-ours")


def test_it_is_what_load_gives() -> None:
    network = zoo.AutoModel.from_pretrained(PACKAGE.path)
    expected = zoo.load("wrn16-ours")
    assert network.config == expected.config
    assert not network.training
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=0, atol=0)


def test_another_number_of_classes() -> None:
    network = zoo.AutoModel.from_pretrained(str(PACKAGE.path), num_classes=3)
    assert network.num_classes == 3


def test_a_folder_that_is_no_model_directory(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=f"is not a model directory: {CONFIG_FILE}"):
        zoo.AutoModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"), [("[1]", "is not a model configuration"), ("{", "is not a model configuration")]
)
def test_a_config_of_another_form(config: str, message: str, tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text(config)
    with pytest.raises(PackageError, match=message):
        zoo.AutoModel.from_pretrained(tmp_path)


def test_a_name_that_is_none() -> None:
    with pytest.raises(PackageError, match="is not a repository name"):
        zoo.AutoModel.from_pretrained("a/b/c")


def test_other_classes_read_a_model_directory_too(capsys: pytest.CaptureFixture[str]) -> None:
    class Head(nn.Module, PyTorchModelHubMixin):
        """Only the last layer, by somebody who knows nothing of the zoo."""

        def __init__(self, classes: list[str]) -> None:
            super().__init__()
            self.classifier = nn.Linear(128, len(classes))

    head = Head.from_pretrained(PACKAGE.path, strict=False)
    torch.testing.assert_close(head.classifier.weight, zoo.load("wrn16-ours").classifier.weight, rtol=0, atol=0)
