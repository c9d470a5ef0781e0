from pathlib import Path

import datasets
import pytest
from huggingface_hub import HfApi
from support.images import coloured, make_rows, write_files, write_split

from training.data.data_set import DataSet
from training.data.places import cached_folder, own_folder
from zoo.errors import DataError, InputError
from zoo.options import DATA_VARIABLE


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder


def test_a_name_is_looked_up_in_the_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, classes in (("cifar10", ("no", "yes")), ("pets", ("cat", "dog"))):
        (tmp_path / name).mkdir()
        names = datasets.ClassLabel(names=list(classes))
        write_split(tmp_path / name, "train", make_rows([coloured(0), coloured(1)], label=(names, [0, 1])))
    assert own_folder("cifar10") is None
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert own_folder("cifar10") == tmp_path / "cifar10"
    assert DataSet("cifar10").classes == ("no", "yes")
    assert DataSet("pets").classes == ("cat", "dog")
    assert own_folder("cifar100") is None
    assert own_folder("../pets") is None


def test_an_own_folder_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(InputError, match=DATA_VARIABLE):
        own_folder("cifar10")


def test_downloads_are_found_in_the_cache(cache: Path) -> None:
    assert cached_folder("cifar10") is None
    write_files(cache, {"uoft-cs___cifar10/plain_text/0.0.0/1/cifar10-train.arrow": b""})
    assert cached_folder("cifar10") == cache / "uoft-cs___cifar10"
    assert cached_folder("cifar100") is None


def test_without_a_network_only_the_cache_is_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline: list[bool] = []

    def load_dataset(name: str, configuration: str | None) -> datasets.DatasetDict:
        offline.append(datasets.config.HF_HUB_OFFLINE)
        if name == "uoft-cs/cifar10":
            return datasets.DatasetDict(train=make_rows([coloured(0), coloured(1)]))
        raise ConnectionError("not in the cache")

    def unreachable(self: HfApi, name: str, timeout: float) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(HfApi, "dataset_info", unreachable)
    assert DataSet("cifar10").splits == ("train",)
    with pytest.raises(DataError, match=rf"(?s)no route to host.*{cache}.*\$ZOO_DATA"):
        DataSet("cifar100")
    assert offline == [True, True]
    assert not datasets.config.HF_HUB_OFFLINE
