import importlib.util
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
import torch

import training.device
from reproduction import cli


@pytest.mark.parametrize(
    ("arguments", "missing", "extra"),
    [
        (("reproduce", "--only-write"), "matplotlib", "explain"),
        (("reproduce", "--dry-run"), "tensorboard", "train"),
        (("reproduce",), "scipy", "explain"),
        (("claims",), "openTSNE", "explain"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    arguments: tuple[str, ...],
    missing: str,
    extra: str,
    run_zoo: Callable[..., CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else object())
    ended = run_zoo(*arguments)
    assert ended.returncode == 1
    assert ended.stderr == f"error: this needs {missing}: pip install 'template-zoo[{extra}]'\n"


def test_runs_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli._at_once_on("cpu") == 1
    monkeypatch.setattr(training.device, "choose_device", lambda name: (torch.device("cuda"), "it is here"))
    assert cli._at_once_on("auto") == 2
