"""Output of `zoo probe`."""

from rich.table import Table

from zoo.package.pooling import PoolingProbe
from zoo.package.probe import INTERVENTIONS, Probe


def probe_table(name: str, through: str, found: Probe) -> Table:
    """Table of the effects, one row per intervention."""
    table = Table(title=f"{name} through {through}: {found.images:,} {found.split} images of {found.data}")
    for heading in ("assignment", "accuracy, %", "difference, points", "predictions changed, %"):
        table.add_column(heading, justify="left" if heading == "assignment" else "right")
    table.add_row("the block's own", f"{found.accuracy:.2f}", "", "")
    for intervention, text in INTERVENTIONS.items():
        effect = found.effects[intervention]
        (value, low, high), (changed, least, most) = effect.difference, effect.changed
        table.add_row(
            text,
            f"{effect.accuracy:.2f}",
            f"{value:+.2f} [{low:+.2f}, {high:+.2f}]",
            f"{changed:.2f} [{least:.2f}, {most:.2f}]",
        )
    return table


def probe_lines(found: Probe) -> str:
    """Other results, one line each."""
    none = found.none
    lines = [
        f"`none`: from {none['lowest']:.3f} to {none['highest']:.3f}, median {none['median']:.3f}, "
        f"mean {none['mean']:.3f}",
        f"variance of the assignment between images: {100 * found.between_images:.0f}%; images with one class in all "
        f"patches: {found.one_class:.1f}%",
    ]
    if found.strength is not None:
        lines.append(f"strength of the mixture relative to the block's input: {found.strength:.2f}")
    if found.cosine_to_start is not None:
        lines.append(f"cosine similarity of the class vectors to their initialisation: {found.cosine_to_start:.3f}")
    return "\n".join(lines)


def pooling_lines(name: str, found: PoolingProbe) -> str:
    """Results about generalised sum pooling, one line each."""
    value, low, high = found.difference
    return "\n".join(
        [
            f"{name}: pooling of {found.images:,} {found.split} images of {found.data}",
            f"accuracy: {found.accuracy:.2f}%; with all weights 1: {found.accuracy_unweighted:.2f}%, "
            f"{value:+.2f} points [{low:+.2f}, {high:+.2f}]; predictions changed: {found.changed[0]:.2f}%",
            f"weights of an image's patches: standard deviation {found.spread:.3f}, from {found.lowest:.2f} to "
            f"{found.highest:.2f} (means over images; the mean weight is 1)",
        ]
    )
