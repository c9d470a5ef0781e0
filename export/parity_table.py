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
    for heading in ("output", "largest absolute error", "of made pictures", "same best class"):
        table.add_column(heading, justify="left" if heading == "output" else "right")
    for output, difference in parity.max_abs_error.items():
        challenge = f"{parity.challenge_error[output]:.2e}"
        table.add_row(output, f"{difference:.2e}", challenge, f"{parity.agreement[output]:.3%}")
    return table
