import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from support.images import coloured, write_files

import zoo
from training.checkpoint import CHECKPOINT_FILE, LOG_FILE, REPORT_FOLDER, UNREADABLE_FILE, save_checkpoint
from training.data.data_set import class_counts
from training.data.images import LabelledImages
from training.data.model_split import ModelData
from training.data.prepare import load_split
from training.evaluate import Evaluation, evaluate
from training.job import Job, run_job
from training.model import record_evaluation
from training.recipe import Recipe
from zoo.errors import DataError, InputError, ZooError
from zoo.package import CARD_FILE, WEIGHTS_FILE, Package
from zoo.package.metrics import own_metrics
from zoo.predictors.torch import TorchPredictor

pytestmark = pytest.mark.slow

RunJob = Callable[..., tuple[Package, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """18 photographs of no common size in two classes, one twice as large as the other, with what else lies about."""
    root = tmp_path / "my images"
    generator = torch.Generator().manual_seed(0)
    for name, count, colour in (("cat & dog", 12, 60), ("Vögel", 6, 180)):
        (root / name).mkdir(parents=True)
        for index in range(count):
            noise = torch.randint(-40, 40, (70 + index, 90, 3), generator=generator)
            Image.fromarray((colour + noise).byte().numpy()).save(root / name / f"{index}.jpg")
    (root / "Vögel" / "notes").write_text("no image")
    whole = (root / "Vögel" / "0.jpg").read_bytes()
    (root / "Vögel" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    return root


@pytest.fixture
def run(folder: Path, tiny: Recipe, tmp_path: Path) -> RunJob:
    """`run(**changes)`: the job's model directory, and what it said."""

    def run_changed(recipe: Recipe | None = None, **changes: object) -> tuple[Package, str]:
        said: list[str] = []
        out = tmp_path / "run" / "model"
        job = Job("wrn16-ours", str(folder), recipe or tiny, "tiny", tmp_path / "run", out, device="cpu")
        return run_job(replace(job, **{"unreadable": "skip", "workers": 0, **changes}), said.append), "\n".join(said)

    return run_changed


def test_only_the_semantic_block_has_templates(run: RunJob, tiny: Recipe, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="templates = 2: wrn16-aux has no semantic block"):
        run(replace(tiny, templates=2), variant="wrn16-aux")
    assert not (tmp_path / "run").exists()


def test_a_run_folder_whose_name_is_not_utf8(run: RunJob, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not UTF-8, which TensorBoard requires"):
        run(run=tmp_path / os.fsdecode(b"\xe9"))


def test_a_folder_that_nobody_prepared(run: RunJob, folder: Path, tmp_path: Path) -> None:
    package, said = run()
    assert package.config.name == "wrn16-ours.my-images"
    assert package.config.classes == ("Vögel", "cat & dog")
    assert "2 classes: cat & dog 11, Vögel 5; --balance gives all equal weight" in said
    assert "skipping 2 unreadable files" in said
    assert "half.jpg: the image is truncated" in (tmp_path / "run" / UNREADABLE_FILE).read_text()
    assert "decoded in each step" in said
    metrics = package.metrics()
    assert metrics["held-out"]["torch"]["images"] == 2
    assert "test" not in metrics
    assert metrics["training"]["images"] == 16
    assert metrics["training"]["recipe_name"] == "tiny"
    assert re.search(r"\| PyTorch \| .* \| 2 \|", (package.path / CARD_FILE).read_text())
    network = zoo.load(f"local-dir:{package.path}")
    with Image.open(folder / "Vögel" / "0.jpg") as image:
        assert network(network.pixels(image)).shape == (1, 2)


def test_unreadable_files_stop_it_and_are_listed(run: RunJob, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 files cannot be read; .* --unreadable skip") as stopped:
        run(unreadable="stop")
    listed = tmp_path / "run" / UNREADABLE_FILE
    assert str(listed) in str(stopped.value)
    assert [Path(line.split(": ")[0]).name for line in listed.read_text().splitlines()] == ["half.jpg", "notes"]
    assert list(listed.parent.iterdir()) == [listed]


@pytest.mark.parametrize("number", range(6))
def test_any_image_may_be_damaged(run: RunJob, folder: Path, tiny: Recipe, number: int) -> None:
    """Also the one of its class that is held out."""
    (folder / "Vögel" / f"{number}.jpg").write_bytes(b"damaged")
    _, said = run(replace(tiny, epochs=1, growth=(1.0,)))
    assert "skipping 3 unreadable files" in said


@pytest.mark.process
def test_streamed_images_go_on_to_the_same_weights(run: RunJob, tiny: Recipe, tmp_path: Path) -> None:
    """Stopped in the middle, and whatever the number of workers."""
    whole, _ = run()
    expected = load_file(whole.path / WEIGHTS_FILE)
    (tmp_path / "run" / CHECKPOINT_FILE).unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.job.train", _stopped_after_a_step)
        with pytest.raises(_PowerFailureError):
            run()
    again, _ = run(workers=2)
    assert again.metrics()["training"]["history"] == whole.metrics()["training"]["history"]
    torch.testing.assert_close(load_file(again.path / WEIGHTS_FILE), expected, rtol=0, atol=0)


class _PowerFailureError(Exception):
    pass


def _stopped_after_a_step(*arguments: object, **options: object) -> None:
    from training.loop import train

    train(*arguments, **options, stop_after=1)  # type: ignore[arg-type]
    raise _PowerFailureError


def test_fine_tuning_keeps_what_belongs_to_no_class(run: RunJob, tiny: Recipe) -> None:
    package, said = run(replace(tiny, start_from="released", epochs=1, growth=(1.0,), input_size=0, balance=True))
    assert "input 68x68 pixels" in said or "input 72x72 pixels" in said
    assert "all classes have equal weight in the loss" in said
    released = zoo.load("wrn16-ours")
    assert package.config.normalization == released.config.normalization
    stems = zoo.load(f"local-dir:{package.path}").stem.weight, released.stem.weight
    assert 0 < float((stems[0] - stems[1]).detach().abs().max()) < 0.1


def test_what_the_weights_have_seen_is_not_held_out(run: RunJob, tiny: Recipe, cifar: Path) -> None:
    recipe = replace(tiny, start_from="released")
    with pytest.raises(
        InputError, match="start_from = 'released' was trained on cifar10, including the images to be held out"
    ):
        run(recipe, source=str(cifar), hold_out=0.1)


@pytest.mark.parametrize("changes", [{}, {"crop_padding": 0, "flip": "none"}])
def test_a_teacher(run: RunJob, tiny: Recipe, cifar: Path, changes: dict[str, Any]) -> None:
    recipe = replace(tiny, teacher="wrn16-ours", epochs=1, growth=(1.0,), **changes)
    package, said = run(recipe, source=str(cifar), limit=32)
    released = zoo.load("wrn16-ours").config
    once = r"computed once per image, in \d+ s" if changes else "computed in each step, since the images change; about"
    assert re.search(f"teacher wrn16-ours.cifar10: {once}", said)
    training = own_metrics(package).training
    assert training
    assert training.teacher
    assert (training.teacher.name, training.teacher.weights_sha256) == (released.name, released.weights_sha256)
    assert "Distilled from wrn16-ours.cifar10 (weights" in (package.path / CARD_FILE).read_text()


def test_a_teacher_that_has_seen_the_held_out_images(run: RunJob, tiny: Recipe, cifar: Path) -> None:
    _, said = run(replace(tiny, teacher="wrn16-ours", epochs=1, growth=(1.0,)), source=str(cifar), hold_out=0.5)
    assert "the teacher wrn16-ours.cifar10 was trained on the images that are held out" in said


def test_a_limit_takes_of_all_classes(run: RunJob, tiny: Recipe) -> None:
    """Files lie class by class."""
    package, _ = run(replace(tiny, epochs=1, growth=(1.0,), batch_size=4), limit=10)
    training = package.metrics()["training"]
    assert training["limit"] == 10
    assert 8 <= training["images"] <= 10  # the unreadable one may be among them


def test_a_folder_that_cannot_be_written_is_found_before_training(run: RunJob, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write into .*file/model.*--out"):
        run(out=tmp_path / "file" / "model")
    assert not (tmp_path / "run" / CHECKPOINT_FILE).exists()


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        ({}, {"out": Path("file") / "model"}, r"cannot write into .*file/model.*--out"),
        ({}, {"run": Path("file") / "run"}, r"cannot write into .*file/run.*--run-folder"),
        ({"start_from": "wrn16"}, {}, "start_from = 'wrn16' is a wrn16; it must be a wrn16-ours"),
        ({"start_from": "rn38"}, {}, "is not available"),
        ({"teacher": "rn38"}, {}, "is not available"),
        ({"teacher": "wrn16"}, {}, "teacher = 'wrn16': the classes of wrn16.cifar10 are not those of the data: only"),
        ({"seed": 7}, {}, "belongs to another run .seed: 0 in the checkpoint, 7 now.*--restart"),
        ({"input_size": 36}, {}, "input_size: 32 in the checkpoint, 36 now"),
        ({}, {"variant": "wrn16-aux"}, "variant: wrn16-ours in the checkpoint, wrn16-aux now"),
    ],
)
def test_what_is_wrong_is_found_before_any_image_is_decoded(
    recipe: dict[str, object],
    changes: dict[str, object],
    message: str,
    run: RunJob,
    tiny: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    saved = {"variant": "wrn16-ours", "start": "", "teacher_weights": "", **asdict(tiny)}
    save_checkpoint(tmp_path / "run" / CHECKPOINT_FILE, {"identity": saved})
    if recipe.keys() & {"start_from", "teacher"}:
        (tmp_path / "run" / CHECKPOINT_FILE).unlink()
    monkeypatch.setattr("training.job.prepare", _no_decoding)
    with pytest.raises(ZooError, match=message):
        run(replace(tiny, **recipe), **changes)  # type: ignore[arg-type]
    with pytest.raises(_DecodedError):
        run(tiny)


class _DecodedError(Exception):
    pass


def _no_decoding(*arguments: object, **options: object) -> None:
    raise _DecodedError


def test_images_of_a_single_class(run: RunJob) -> None:
    with pytest.raises(DataError, match="1 of 2 classes have training images; at least 2 must"):
        run(limit=1)


def test_held_out_images_are_measured_after_each_epoch(run: RunJob, tiny: Recipe, cifar: Path) -> None:
    recipe = replace(tiny, epochs=2)
    package, _ = run(recipe, source=str(cifar), hold_out=0.1, limit=64)
    history, score = package.metrics()["training"]["history"], package.metrics()["held-out"]["torch"]
    assert [entry["epoch"] for entry in history if "validation_accuracy" in entry] == [1, 2]
    assert history[-1]["validation_accuracy"] == pytest.approx(score["accuracy"] / 100, abs=1e-4)


def test_the_report_is_of_the_images_measured_at_the_end(run: RunJob, tiny: Recipe, tmp_path: Path) -> None:
    package, said = run(replace(tiny, epochs=1, growth=(1.0,)))
    assert "report: " in said
    rows = (tmp_path / "run" / REPORT_FOLDER / "confusion.csv").read_text().splitlines()[1:]
    assert sum(int(cell) for row in rows for cell in row.split(",")[1:]) == 2
    accuracy = package.metrics()["held-out"]["torch"]["class_accuracy"]
    assert accuracy.keys() == {"Vögel", "cat & dog"}
    assert "## Accuracy by class" in (package.path / CARD_FILE).read_text()


def test_the_same_command_again_keeps_what_was_measured(run: RunJob, tiny: Recipe) -> None:
    recipe = replace(tiny, epochs=1, growth=(1.0,))
    package, _ = run(recipe)
    record_evaluation(package, "held-out", "onnx", Evaluation(2, 50.0, 50.0, 1.0), "of a file")
    again, _ = run(recipe)
    assert again.metrics()["held-out"].keys() == {"torch", "onnx"}
    assert own_metrics(again).measured.keys() == {"torch"}
    assert own_metrics(again).training


def test_a_part_of_the_training_images_held_out(run: RunJob, cifar: Path, tiny: Recipe) -> None:
    recipe = replace(tiny, epochs=1, growth=(1.0,))
    package, said = run(recipe, source=str(cifar), hold_out=0.1, limit=100)
    images = package.metrics()["held-out"]["torch"]["images"]
    assert images == sum(round(0.1 * count) for count in class_counts(load_split(str(cifar), "train")).values())
    assert package.metrics()["training"]["images"] == 100
    assert package.metrics()["training"]["held_out"] == 0.1
    assert "test" not in package.metrics()
    assert f"{images} held-out images" in said


def test_held_out_images_can_be_measured_again(run: RunJob, cifar: Path, tiny: Recipe) -> None:
    package, _ = run(replace(tiny, epochs=1, growth=(1.0,)), source=str(cifar), hold_out=0.25, limit=64)
    data = ModelData(package, str(cifar))
    trained, held = (data.load(split) for split in ("train", "held-out"))
    assert len(trained.labels) == 64
    assert not pixels_of(trained) & pixels_of(held)
    again = evaluate(TorchPredictor.open(package), held)
    assert again.to_json().items() <= package.metrics()["held-out"]["torch"].items()


def pixels_of(images: LabelledImages) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.images}


def test_start_weights_that_held_out_the_same_images(run: RunJob, tiny: Recipe, folder: Path, tmp_path: Path) -> None:
    """On a folder without a test split, too: what they were trained on is not measured as held out."""
    recipe = replace(tiny, epochs=1, growth=(1.0,))
    first, _ = run(recipe, out=tmp_path / "first", run=tmp_path / "first-run")
    recipe = replace(recipe, start_from=f"local-dir:{first.path}")
    run(recipe)
    (folder / "Vögel" / "0.jpg").unlink()
    with pytest.raises(InputError, match=r"including the images to be held out; .* test split"):
        run(recipe, run=tmp_path / "second-run")


@pytest.fixture
def three_splits(tmp_path: Path) -> Path:
    """A folder with splits, and another folder beside them."""
    counts = {"train": 16, "val": 4, "test": 3}
    names = [
        f"{split}/{name}/{n}.png" for split, count in counts.items() for name in ("cat", "dog") for n in range(count)
    ]
    files = {name: coloured(number) for number, name in enumerate(names)}
    return Path(write_files(tmp_path / "data", files | {"labels/": b""}))


def test_the_validation_split_is_measured_after_each_epoch(
    run: RunJob, tiny: Recipe, three_splits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package, said = run(tiny, source=str(three_splits))
    assert package.config.classes == ("cat", "dog")
    assert "other folders beside them are ignored: labels" in said
    assert "6 test images" in said
    metrics = package.metrics()
    assert metrics["test"]["torch"]["images"] == 6
    assert metrics["training"]["images"] == 32
    assert capsys.readouterr().out.count("%, validation ") == 3
    last = metrics["training"]["history"][-1]
    measured = evaluate(TorchPredictor.open(package), ModelData(package, str(three_splits)).load("validation"))
    assert last["validation_accuracy"] == pytest.approx(measured.accuracy / 100, abs=1e-4)
    assert last["validation_loss"] == pytest.approx(measured.loss, abs=1e-3)
    log = [json.loads(line) for line in (tmp_path / "run" / LOG_FILE).read_text().splitlines()]
    assert [entry["epoch"] for entry in log if "validation_accuracy" in entry] == [1, 2, 3]


def test_each_epoch_measures_a_sample_of_a_large_validation_split(
    monkeypatch: pytest.MonkeyPatch, run: RunJob, tiny: Recipe, three_splits: Path
) -> None:
    """As many held-out images as training images would take as long as the training."""
    sizes: list[int] = []
    monkeypatch.setattr("training.job.VALIDATED_LEAST", 4)

    def counted(predict: TorchPredictor, images: LabelledImages, **options: object) -> Evaluation:
        sizes.append(len(images.labels))
        return evaluate(predict, images)

    monkeypatch.setattr("training.job.evaluate", counted)
    package, _ = run(replace(tiny, epochs=2), source=str(three_splits))
    assert sizes == [4, 4]
    assert len(ModelData(package, str(three_splits)).load("validation").labels) == 8


def test_measuring_the_validation_split_changes_no_weight(run: RunJob, tiny: Recipe, three_splits: Path) -> None:
    """With an average of the weights, too."""
    recipe = replace(tiny, ema_decay=0.9)
    expected = run(recipe, source=str(three_splits))[0].config.weights_sha256
    shutil.rmtree(three_splits / "val")
    (three_splits.parent / "run" / CHECKPOINT_FILE).unlink()
    assert run(recipe, source=str(three_splits))[0].config.weights_sha256 == expected


def test_without_a_test_split_the_validation_split_is_measured_by_its_name(
    run: RunJob, tiny: Recipe, three_splits: Path
) -> None:
    shutil.rmtree(three_splits / "test")
    package, said = run(tiny, source=str(three_splits))
    assert "8 validation images" in said
    assert package.metrics()["validation"]["torch"]["images"] == 8
    assert package.metrics()["training"]["images"] == 32
    assert "validation_accuracy" in package.metrics()["training"]["history"][0]
    card = (package.path / CARD_FILE).read_text()
    assert "| validation images |" in card
    assert "split: validation" in card


def test_a_batch_larger_than_the_data_set(run: RunJob, tiny: Recipe) -> None:
    package, said = run(replace(tiny, batch_size=64, epochs=1, growth=(1.0,)))
    assert "batch size reduced from 64 to 16" in said
    assert package.metrics()["training"]["recipe"]["batch_size"] == 16


def test_no_images(run: RunJob) -> None:
    with pytest.raises(InputError, match="limit = 0: must be above 0"):
        run(limit=0)
