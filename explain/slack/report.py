"""Output of `zoo slack`."""

from zoo.package.slack import SlackMeasurement


def slack_lines(name: str, found: SlackMeasurement) -> str:
    """Results, one line each."""
    rows = [("share of none", found.none), ("1 - max p", found.doubt), ("difference", found.difference)]
    areas = [f"  {label}: {value:.3f} [{low:.3f}, {high:.3f}]" for label, (value, low, high) in rows]
    pointing = []
    if found.pointing is not None:
        value, low, high = found.pointing
        pointing = [f"share of a class on its image in mosaics of four: {value:.3f} [{low:.3f}, {high:.3f}]"]
    return "\n".join(
        [
            f"{name}: {found.images:,} {found.split} images of {found.data} at half their side on {found.backgrounds}",
            "area under the ROC curve, background against object, mean over the cells of the patch grid:",
            *areas,
            f"mean share of none: {found.none_on_object:.3f} on the image, {found.none_on_background:.3f} beside it",
            f"accuracy on these scenes: {found.accuracy:.2f}%",
            *pointing,
        ]
    )
