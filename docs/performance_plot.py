"""Draw docs/performance.svg: the speed-up over PyTorch eager of each variant.

python docs/performance_plot.py
"""

import matplotlib
from matplotlib.figure import Figure
from measured import COMPARED, IMAGE, ROOT, contenders, results

from zoo.files import write_atomically
from zoo.reporting import COLORS, STYLE, svg

SHOWN = {
    "torch.compile": COLORS[3],
    "TorchScript": COLORS[4],
    "plain ONNX": COLORS[5],
    "OpenVINO fp32": COLORS[2],
    "ours fp32": COLORS[0],
    "ours int8": COLORS[1],
}
"""Colours of the contenders."""

ROW_HEIGHT, SPREAD = 0.55, 0.7
"""Inches per variant, and the part of them that its contenders take."""


def draw() -> Figure | None:
    """One row per variant, one point per contender, with a line from its slowest round to its fastest; None without
    measurements."""
    measured = {variant: contenders(variant, COMPARED) for variant in results()}
    measured = {variant: rows for variant, rows in measured.items() if rows}
    if not measured:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 1.1 + ROW_HEIGHT * len(measured)), layout="constrained")
        axes = figure.add_subplot()
        for place, (name, color) in enumerate(SHOWN.items()):
            shift = SPREAD * (place / (len(SHOWN) - 1) - 0.5)
            points = [
                (line + shift, rows[name]["times_eager"]) for line, rows in enumerate(measured.values()) if name in rows
            ]
            heights = [height for height, _ in points]
            medians = [ratios[0] for _, ratios in points]
            axes.hlines(heights, [r[1] for _, r in points], [r[2] for _, r in points], color=color, linewidth=1)
            axes.plot(medians, heights, "o", color=color, markersize=4.5, label=name)
        axes.axvline(1, color="#999999", linewidth=1)
        axes.set_yticks(range(len(measured)), measured)
        axes.grid(visible=False, axis="y")
        axes.hlines(
            [line + 0.5 for line in range(len(measured) - 1)], 0, 1, "#e4e4e4", transform=axes.get_yaxis_transform()
        )
        axes.set(ylim=(len(measured) - 0.5, -0.5), xlim=(0, None))
        axes.set_xlabel(f"speed-up over PyTorch eager, batches of {COMPARED}: median and range of the rounds")
        figure.legend(loc="outside upper center", ncols=len(SHOWN), frameon=False)
    return figure


def main() -> None:
    file, figure = ROOT / "docs" / IMAGE, draw()
    if figure is None:
        file.unlink(missing_ok=True)
        return
    write_atomically(file, svg(figure, "docs/performance_plot.py"))


if __name__ == "__main__":
    main()
