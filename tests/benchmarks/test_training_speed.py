from pathlib import Path

import numpy as np
import pytest
from peers.images import write_images
from peers.task import Clock, Task
from training_speed import run_peer


@pytest.fixture
def task(cifar: Path, tmp_path: Path) -> Task:
    write_images(str(cifar), tmp_path, 4 * 8, 32, files=False)
    return Task("wrn16-ours", str(tmp_path), "cpu", 32, 4, 2, 3, 0, False)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("name", ["ours", "plain"])
def test_the_clock_counts_the_steps_of_a_trainer(name: str, task: Task) -> None:
    assert run_peer(name, task.to_json())["images_per_second"] > 0


def test_a_clock_that_saw_too_few_steps_fails(task: Task, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock(task)
    for _ in range(task.last_step - 1):
        clock.step()
    with pytest.raises(RuntimeError, match="counted 4 steps, expected 5"):
        clock.report()
    clock.step()
    clock.report()
    assert "images_per_second" in capsys.readouterr().out


def test_a_small_data_set_is_repeated(cifar: Path, tmp_path: Path) -> None:
    write_images(str(cifar), tmp_path, 300, 32, files=False)
    with np.load(tmp_path / "images.npz") as arrays:
        pixels, labels = arrays["pixels"], arrays["labels"]
    assert pixels.shape == (300, 3, 32, 32)
    np.testing.assert_array_equal(pixels[256:], pixels[:44])
    np.testing.assert_array_equal(labels[256:], labels[:44])
    assert not (tmp_path / "train").exists()


def test_files_for_trainers_that_read_them(cifar: Path, tmp_path: Path) -> None:
    write_images(str(cifar), tmp_path, 5, 32, files=True)
    assert len(list((tmp_path / "train").glob("*/*.png"))) == 5
