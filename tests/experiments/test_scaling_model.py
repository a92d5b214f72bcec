"""The model of many accelerators: rings walked step by step, limits, and laws."""

import pytest

from experiments.scaling_model import (
    H100,
    MACHINES,
    TPU_V5E,
    Link,
    Machine,
    Traffic,
    Work,
    communicating,
    efficiency,
    ring_all_reduce,
    ring_gather,
    seconds,
    speedup,
)

LINK = Link(bandwidth=3.0, latency=0.25)
STEP = Work(1e12, {"all-reduce": Traffic(4, 4e8), "collective-permute": Traffic(10, 1e7)})


def walked(n_bytes, n, link):
    """An all-reduce part by part: every device sends one part to the next until all have the sum of each."""
    parts = [[{device} for _ in range(n)] for device in range(n)]  # whose addends a part holds
    clock = 0.0
    for gathering in (False, True):
        for step in range(n - 1):
            sent = {
                device: ((device - step + gathering) % n, parts[device][(device - step + gathering) % n])
                for device in range(n)
            }
            for device, (part, addends) in sent.items():
                to = (device + 1) % n
                parts[to][part] = addends if gathering else parts[to][part] | addends
            clock += n_bytes / n / link.bandwidth + link.latency
    assert all(part == set(range(n)) for device in parts for part in device)
    return clock


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_a_ring_walked_step_by_step(n):
    assert ring_all_reduce(24.0, n, LINK) == pytest.approx(walked(24.0, n, LINK))


def test_a_large_ring_sends_everything_twice():
    assert ring_all_reduce(1e9, 100_000, Link(1e9, 0.0)) == pytest.approx(2, rel=1e-4)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
@pytest.mark.parametrize("kind", ["all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all"])
def test_one_device_sends_nothing_and_more_bytes_take_longer(kind, machine):
    assert seconds(kind, 1e6, 1, machine) == 0
    for n in (2, 8, 64, 256):
        assert 0 < seconds(kind, 1e6, n, machine) < seconds(kind, 2e6, n, machine)


@pytest.mark.parametrize("n", [2, 8, 64, 256])
def test_an_all_reduce_is_a_scatter_and_a_gather(n):
    both = seconds("reduce-scatter", 1e8, n, H100) + seconds("all-gather", 1e8, n, H100)
    assert seconds("all-reduce", 1e8, n, H100) == pytest.approx(both)


def test_groups_joined_by_links_as_fast_take_no_longer_than_one_ring_of_all():
    """Without latencies two levels send the same bytes: (g - 1) / g + (m - 1) / (g m) = (g m - 1) / (g m)."""
    link = Link(2.0, 0.0)
    machine = Machine("", 1.0, 8, link, link, "")
    for kind, one in (("all-gather", ring_gather), ("all-reduce", ring_all_reduce)):
        assert seconds(kind, 10.0, 64, machine) == pytest.approx(one(10.0, 64, link))


def test_what_does_not_exist():
    with pytest.raises(ValueError, match="no collective 'broadcast'"):
        seconds("broadcast", 1.0, 2, H100)
    with pytest.raises(ValueError, match="12 devices fill no groups of 8"):
        seconds("all-reduce", 1.0, 12, H100)


def test_efficiency_is_computation_over_all():
    """10 ms of computation at half the peak, and 6 ms along a ring of four: 2 x 3/4 x 4 bytes at 1000 a second."""
    machine = Machine("", 200.0, 8, Link(1000.0, 0.0), Link(1.0, 0.0), "")
    work = Work(1.0, {"all-reduce": Traffic(2, 4.0)})
    assert communicating(work, 4, machine) == pytest.approx(0.006)
    assert efficiency(work, 4, machine, peak_share=0.5) == pytest.approx(10 / 16)
    assert speedup(work, 4.0, 4, machine, peak_share=0.5) == pytest.approx(4 * 10 / 16)


def test_no_collectives_no_loss():
    assert efficiency(Work(1e9, {}), 64, TPU_V5E, peak_share=0.3) == 1
    assert speedup(Work(1e9, {}), 64e9, 64, TPU_V5E, peak_share=0.3) == pytest.approx(64)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_more_devices_and_faster_ones_lose_more(machine):
    shares = [efficiency(STEP, n, machine, peak_share=0.3) for n in (1, 8, 64, 256)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    assert efficiency(STEP, 8, machine, peak_share=0.6) < efficiency(STEP, 8, machine, peak_share=0.3)
