"""What `zoo verify` prints."""

from rich.table import Table

from export.parity import Parity
from zoo.runtime import Precision


def parity_table(model: str, precision: Precision, parity: Parity) -> Table:
    """What an ONNX file's outputs differ by from its network's."""
    table = Table(
        title=f"{model}: ONNX Runtime in {precision} "
        f"{'answers as PyTorch does' if parity.passed else 'is too far from PyTorch'}",
        caption=f"{parity.images} pictures in batches of {', '.join(map(str, parity.batch_sizes))}, and some "
        f"that no camera takes; {parity.provider}; mean total variation of a patch {parity.total_variation:.1e}",
    )
    for heading in ("output", "largest absolute error", "allowed", "of made pictures", "allowed", "same best class"):
        table.add_column(heading, justify="left" if heading == "output" else "right")
    cells = {output: list[str]() for output in (*parity.max_abs_error, *parity.agreement)}
    for output, error, magnitude in parity.deviations():
        cells[output] += f"{error:.2e}", f"{parity.limits.max_abs_error(magnitude):.2e}"
    for output, numbers in cells.items():
        agreement = f"{parity.agreement[output]:.3%}" if output in parity.agreement else ""
        table.add_row(output, *(numbers or [""] * 4), agreement)
    return table
