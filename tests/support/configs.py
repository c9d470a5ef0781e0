"""Model configurations: one whose names are hard to write, and any that is valid."""

from hypothesis import strategies as st

from zoo.images.preprocess import Normalization
from zoo.package import ModelConfig

CONFIG = ModelConfig(
    variant="wrn16-ours",
    data="cifar10",
    classes=("cat", 'Öl, "x"\n{\'}', "犬"),
    input_size=32,
    normalization=Normalization(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 1 / 3)),
    weights_sha256="ab" * 32,
    assignment="bn_relu",
    templates=2,
)

CONFIGS = st.builds(
    ModelConfig,
    variant=st.text(),
    data=st.from_regex(r"[\w.-]{1,96}", fullmatch=True),
    classes=st.lists(st.text(), min_size=2, max_size=5, unique=True).map(tuple),
    input_size=st.integers(32, 1000),
    normalization=st.builds(
        Normalization, *[st.tuples(*[st.floats(1e-3, 1)] * 3)] * 2
    ),
    weights_sha256=st.text(),
    templates=st.integers(1, 256),
)  # fmt: skip
