import torch

import zoo
from training.average import MovingAverage


def test_weights_and_statistics_are_averaged_and_counters_copied() -> None:
    network = zoo.create("wrn16-ours", assignment="softmax_no_slack")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    average = MovingAverage(network, 0.75)
    with torch.no_grad():
        for value in network.state_dict().values():
            value.add_(4)
    average.update()
    for name, value in average.network.state_dict().items():
        if not value.is_floating_point():
            assert torch.equal(value, network.state_dict()[name])
        elif before[name].isfinite().all():
            torch.testing.assert_close(value, before[name] + 1)
        else:  # the slack's logit, which is -inf
            assert torch.equal(value, before[name])


def test_an_average_restarts_at_the_current_weights() -> None:
    network = zoo.create("wrn16")
    average = MovingAverage(network, 0.75)
    with torch.no_grad():
        network.stem.weight.zero_()
    average.restart()
    for name, value in average.network.state_dict().items():
        assert torch.equal(value, network.state_dict()[name])
