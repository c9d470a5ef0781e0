"""Whether answers are alike: the limits of `zoo verify`, for tests."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from export.parity import TOLERANCES, Provider
from zoo.runtime import Precision


def assert_alike(
    actual: Iterable[Any],
    expected: Iterable[Any],
    precision: Precision = "fp32",
    provider: Provider = "CPUExecutionProvider",
) -> None:
    """Fail unless outputs, arrays or tensors, are as near as those of an ONNX file must be to its network's."""
    for got, wanted in zip(_arrays(actual), _arrays(expected), strict=True):
        assert (got is None) == (wanted is None)
        if wanted is not None:
            got, wanted = np.asarray(got), np.asarray(wanted)
            assert got.shape == wanted.shape
            limit = TOLERANCES[precision, provider].max_abs_error(float(np.abs(wanted).max()))
            np.testing.assert_allclose(got, wanted, rtol=0, atol=limit)


def _arrays(answer: Iterable[Any]) -> Iterable[Any]:
    return answer.values() if isinstance(answer, Mapping) else answer
