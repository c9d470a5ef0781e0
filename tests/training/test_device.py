import pytest
import torch

from training.device import choose_device
from zoo.errors import InputError


def test_a_device_as_asked() -> None:
    assert choose_device("cpu") == (torch.device("cpu"), "as requested")


def test_the_best_device_and_why() -> None:
    device, why = choose_device("auto")
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert ("threads" if device.type == "cpu" else "is here") in why


@pytest.mark.parametrize("name", ["tpu9", "", "gpu"])
def test_an_unknown_device(name: str) -> None:
    with pytest.raises(InputError, match=f"device '{name}' cannot be used: .*; choose cpu or auto"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_device_that_is_not_there(name: str) -> None:
    with pytest.raises(InputError, match=f"device '{name}' cannot be used") as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)
