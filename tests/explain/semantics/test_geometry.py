import numpy as np
import pytest

from explain.semantics.collect import PatchSample
from explain.semantics.geometry import measure_geometry, mutual_information


def sample(images: int, seed: int) -> PatchSample:
    """Two patches an image of three classes: noise `before`, three far clusters `after`."""
    generator = np.random.default_rng(seed)
    label = np.repeat(np.arange(images) % 3, 2)
    noise = generator.normal(size=(2 * images, 8)).astype(np.float32)
    centres = 9 * np.eye(3, 8, dtype=np.float32)
    image = np.repeat(np.arange(images), 2)
    return PatchSample(image, image % 4, label, {"before": noise, "after": noise + centres[label]})


def test_clusters_are_told_from_noise() -> None:
    found = measure_geometry(sample(60, 0), sample(90, 1), images=90, classes=3, seed=0)
    before, after = found.qualities["before"], found.qualities["after"]
    assert after.knn_accuracy == (1, 1, 1)
    assert after.nmi.value == pytest.approx(1)
    assert after.silhouette.value > 0.2
    assert before.knn_accuracy.low < 1 / 3 < before.knn_accuracy.high
    assert before.nmi.value < 0.1
    assert abs(before.silhouette.value) < 0.05


def test_changes_are_against_before() -> None:
    found = measure_geometry(sample(60, 0), sample(90, 1), images=90, classes=3, seed=0)
    assert set(found.changes) == {"after"}
    for name, change in found.changes["after"]._asdict().items():
        before, after = (getattr(found.qualities[space], name).value for space in ("before", "after"))
        assert change.value == pytest.approx(after - before)
        assert change.low > 0


def test_the_scale_of_a_channel_does_not_count() -> None:
    train, asked = sample(60, 0), sample(90, 1)
    for one in (train, asked):
        one.spaces["before"] = one.spaces["after"] * np.array([1, 100, 1, 1, 0.01, 1, 1, 1], np.float32)
    found = measure_geometry(train, asked, images=90, classes=3, seed=0)
    for first, second in zip(*found.qualities.values(), strict=True):
        assert first == pytest.approx(second, abs=1e-4)


def test_mutual_information() -> None:
    assert mutual_information(np.diag([5.0, 3.0, 9.0])) == pytest.approx(1)
    assert mutual_information(np.outer([5.0, 3.0], [2.0, 4.0, 1.0])) == pytest.approx(0, abs=1e-12)
    from sklearn.metrics import normalized_mutual_info_score

    table = np.array([[6, 1], [2, 5]])
    rows = [r for r in range(2) for c in range(2) for _ in range(table[r, c])]
    columns = [c for r in range(2) for c in range(2) for _ in range(table[r, c])]
    assert mutual_information(table.astype(float)) == pytest.approx(normalized_mutual_info_score(rows, columns))
