import pytest
from support.measured import measured_of

from training.report.measured import Measured


@pytest.fixture
def measured() -> Measured:
    """Five cats, of which two are taken for dogs and one for the third class, three dogs, and a member of the third."""
    return measured_of([0, 0, 0, 0, 0, 1, 1, 1, 2], [0, 1, 0, 1, 2, 1, 1, 1, 0])
