"""`python -m zoo`: the same program as `zoo`, for `torchrun -m zoo train ...`."""

from zoo.cli import main

main()
