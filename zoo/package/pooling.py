"""Results of `zoo probe` about generalised sum pooling, the content of `pooling.json`: what its weights do."""

from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from zoo.files import read_json, write_json
from zoo.package import POOLING_FILE, Package
from zoo.package.metrics import Count, Percent
from zoo.package.probe import Interval


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class PoolingProbe:
    """Accuracy with the pooling's own weights and with all weights 1, and the spread of its weights.

    The weights of an image's patches have the mean 1.
    """

    data: str
    split: str
    images: Count
    seed: int
    digest: str
    """SHA-256 of the weights."""
    accuracy: Percent
    """Accuracy of the unchanged network."""
    accuracy_unweighted: Percent
    """Accuracy if all weights are 1, without training the network for it."""
    difference: Interval
    """Accuracy if all weights are 1, minus that of the unchanged network, in percentage points, paired by image."""
    changed: Interval
    """Percentage of the images whose predicted class changes."""
    spread: Annotated[float, Field(ge=0)]
    """Standard deviation of the weights within an image, mean over images; near 0, the pooling is the average."""
    lowest: Annotated[float, Field(ge=0)]
    """Lowest weight of an image's patches, in the mean over images."""
    highest: Annotated[float, Field(ge=0)]
    """Highest weight of an image's patches, in the mean over images."""


_adapter = TypeAdapter(PoolingProbe)


def read_pooling(package: Package) -> PoolingProbe | None:
    """The measurement of the model's weights; None if there is none.

    Raises:
        PackageError: `pooling.json` is not valid.
    """
    file, remedy = package.path / POOLING_FILE, "remove it, or run `zoo probe --record` again"
    found = read_json(file, _adapter, "is not a record of `zoo probe`", remedy)
    return found if found and found.digest == package.config.weights_sha256 else None


def write_pooling(package: Package, found: PoolingProbe) -> None:
    """Write `pooling.json`."""
    write_json(package.path / POOLING_FILE, asdict(found))
