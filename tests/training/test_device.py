import pytest
import torch

from training import device as device_module
from training.device import choose_device, choose_precision
from zoo.errors import InputError


def test_a_device_as_asked() -> None:
    assert choose_device("cpu") == (torch.device("cpu"), "as requested")


def test_the_best_device_and_why() -> None:
    device, why = choose_device("auto")
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert ("threads" if device.type == "cpu" else "is available") in why


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


@pytest.mark.cuda
def test_a_gpu_that_is_not_there_on_a_machine_with_others() -> None:
    with pytest.raises(InputError, match=r"device 'cuda:99' cannot be used: .*; choose cpu or auto"):
        choose_device("cuda:99")


@pytest.mark.parametrize(
    ("instructions", "precision"),
    [({"avx2"}, "fp32"), ({"avx512f"}, "fp32"), ({"avx512_bf16"}, "bf16"), ({"amx_bf16"}, "bf16"), ({"bf16"}, "bf16")],
)
def test_bf16_only_where_the_processor_computes_in_it(
    instructions: set[str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_module, "instructions", lambda: frozenset(instructions))
    assert choose_precision("auto", torch.device("cpu"))[0] == precision
    assert choose_precision("bf16", torch.device("cpu")) == ("bf16", "as requested")
    assert choose_precision("fp32", torch.device("cpu")) == ("fp32", "as requested")
