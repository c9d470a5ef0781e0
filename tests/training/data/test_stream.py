import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.images import encode, write_files

from training.data.data_set import open_splits
from training.data.prepare import prepare
from training.data.stream import Example, StreamedImages, random_crop, stream
from zoo.errors import DataError
from zoo.images.decode import decode_pixels

# What torch says where there is one core, and Python from 3.12 on where a process with threads makes another.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]

COUNT = 12


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> StreamedImages:
    """Two classes of six JPEG files of noise, 100 x 80."""
    noise = np.random.default_rng(0)
    files = {
        f"{name}/{number}.jpg": encode(Image.fromarray(noise.integers(0, 255, (80, 100, 3), np.uint8)), "JPEG")
        for name in ("a", "b")
        for number in range(COUNT // 2)
    }
    root = write_files(tmp_path_factory.mktemp("images"), files)
    made = prepare(open_splits(root).train, 32).images
    assert isinstance(made, StreamedImages)
    return made


def steps(count: int) -> list[list[Example]]:
    """Batches of four; their size grows."""
    return [
        [Example((4 * step + place) % COUNT, 16 if step < count // 2 else 32, 100 * step + place) for place in range(4)]
        for step in range(count)
    ]


def test_an_example_is_a_part_of_its_image(images: StreamedImages) -> None:
    pixels, labels = next(stream(images, steps(1), workers=0, pin=False))
    assert pixels.shape == (4, 3, 32, 32)
    assert pixels.dtype == torch.uint8
    assert labels.tolist() == [0, 0, 0, 0]
    assert labels.dtype == torch.int64
    assert torch.equal(pixels[2], random_crop(images.encoded, steps(1)[0][2]))


def test_crops_of_a_gradient_show_a_third_of_it_or_more(tmp_path: Path) -> None:
    gradient = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (200, 200, 3))
    root = write_files(tmp_path, {"a/1": encode(Image.fromarray(gradient)), "b/1": encode(Image.fromarray(gradient))})
    images = open_splits(root).train
    spans, starts = [], []
    for seed in range(100):
        row = random_crop(images, Example(0, 32, seed))[0, 0].int()
        assert bool((row.diff() >= 0).all())
        spans.append(int(row[-1] - row[0]) / 200 * 32 / 31)
        starts.append(int(row[0]))
    # A side of a crop: the square root of 0.35 of the area, at an aspect ratio down to 3/4; at most the whole.
    assert min(spans) > 0.49
    assert max(spans) > 0.9
    assert len(set(starts)) > 20


@pytest.mark.process
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_and_starts_change_nothing(workers: int, images: StreamedImages) -> None:
    torch.manual_seed(workers)
    state = torch.get_rng_state()
    expected = [(torch.stack([random_crop(images.encoded, example) for example in step]), step) for step in steps(6)]
    for start in (0, 4):
        made = list(stream(images, iter(steps(6)[start:]), workers, pin=False))
        assert len(made) == 6 - start
        for (pixels, labels), (wanted, step) in zip(made, expected[start:], strict=True):
            assert torch.equal(pixels, wanted)
            assert torch.equal(labels, images.labels[[example.index for example in step]])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.process
def test_a_stream_that_is_left_ends_its_workers(images: StreamedImages) -> None:
    batches = stream(images, steps(50), workers=2, pin=False)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    batches.close()
    assert multiprocessing.active_children() == []


@pytest.mark.process
def test_signals_for_all_processes_leave_the_end_to_the_loop(images: StreamedImages) -> None:
    batches = stream(images, steps(20), workers=1, pin=False)
    next(batches)
    (worker,) = multiprocessing.active_children()
    assert worker.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker.pid, number)
    assert len(list(batches)) == 19


@pytest.mark.process
@pytest.mark.parametrize("workers", [0, 1])
def test_a_image_that_is_lost_midway_is_named(workers: int, tmp_path: Path, photo: bytes) -> None:
    root = write_files(tmp_path, {"a/1": photo, "b/1": photo})
    made = prepare(open_splits(root).train, 32).images
    assert isinstance(made, StreamedImages)
    (tmp_path / "b" / "1").unlink()
    with pytest.raises(DataError, match=f"^cannot read {tmp_path}/b/1: No such file or directory; check the path$"):
        list(stream(made, [[Example(0, 16, 0)], [Example(1, 16, 0)]], workers, pin=False))
    with pytest.raises(DataError, match=f"^cannot read {tmp_path}/b/1: No such file or directory; check the path$"):
        list(made.batches())


@pytest.mark.parametrize("world", [1, 2, 5])
def test_parts_have_the_centre_of_every_image_once(
    world: int, images: StreamedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.data.stream.EVALUATION_BATCH", 5)
    expected = [decode_pixels(images.encoded.files.read(index), 32).pixels for index in range(COUNT)]
    for rank in range(world):
        part = slice(rank, None, world)
        pixels, labels = zip(*images.batches(part), strict=True)
        assert all(1 <= len(batch) <= 5 for batch in labels)
        np.testing.assert_array_equal(np.concatenate(pixels), np.stack(expected)[part])
        np.testing.assert_array_equal(np.concatenate(labels), images.labels[part])
    assert list(images.batches(slice(COUNT, None))) == []
