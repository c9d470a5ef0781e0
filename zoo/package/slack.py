"""Results of `zoo slack`, the content of `slack.json`: whether `none` marks patches that show no object."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from zoo.files import read_json, write_json
from zoo.package import SLACK_FILE, Package
from zoo.package.metrics import Count, Percent
from zoo.package.probe import Interval

Share = Annotated[float, Field(ge=0, le=1)]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class SlackMeasurement:
    """Separation of background from object in scenes: images at half their side, at random places on backgrounds.

    Areas under the ROC curve are means over the cells of the patch grid, so that a map that depends only on the place
    has 0.5.
    """

    data: str
    split: str
    images: Count
    """Number of scenes."""
    seed: int
    digest: str
    """SHA-256 of the weights."""
    backgrounds: str
    """`textures`, or the data set of the images in the background."""
    none: Interval
    """Area under the ROC curve of the share of `none`."""
    doubt: Interval
    """Area of 1 - max p, where p is the softmax of the patch logits."""
    difference: Interval
    """The area of `none` minus that of 1 - max p, paired by image."""
    none_on_object: Share
    """Mean share of `none` over the patches of the images."""
    none_on_background: Share
    accuracy: Percent
    """Accuracy on the scenes."""
    pointing: Interval | None = None
    """Grid pointing game: in mosaics of four of the images, the part of the share of a class that is on the image of
    that class (0.25 by chance); None with fewer than four classes."""


_adapter = TypeAdapter(dict[str, SlackMeasurement])


def read_slack(package: Package) -> dict[str, SlackMeasurement]:
    """Measurements of the model's weights, by backgrounds.

    Raises:
        PackageError: `slack.json` is not valid.
    """
    digest = package.config.weights_sha256
    return {name: one for name, one in _read(package).items() if one.digest == digest}


def write_slack(package: Package, measurement: SlackMeasurement) -> None:
    """Add a measurement to `slack.json`; those on other backgrounds are kept."""
    found = {**read_slack(package), measurement.backgrounds: measurement}
    write_json(package.path / SLACK_FILE, {name: asdict(one) for name, one in found.items()})


def _read(package: Package) -> Mapping[str, SlackMeasurement]:
    file, remedy = package.path / SLACK_FILE, "remove it, or run `zoo slack --record` again"
    return read_json(file, _adapter, "is not a record of `zoo slack`", remedy) or {}
