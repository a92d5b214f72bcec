r"""A model of many accelerators: what a step would take, from its operations, its collectives and published speeds.

Nothing here is measured. A device computes at a share of its published peak, then communicates, one after the other:

$$ t = \frac{F}{s\,P} + \sum_c t_c, \qquad \text{efficiency} = \frac{F / (s P)}{t} $$

A collective takes what its bytes take on the links, and a latency for each of its steps one after the other. Devices
come in groups of `together` with fast links inside and slower ones between; collectives of more devices than a group
has are taken in two levels, as libraries do. Compilers hide a part of the communication behind the computation, and
libraries send small messages along trees: so the model errs towards too long.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Link(NamedTuple):
    """What leaves one device.

    Attributes:
        bandwidth: bytes a second, in one direction.
        latency: seconds for each step of a collective; assumed, for vendors publish none.
    """

    bandwidth: float
    latency: float


class Machine(NamedTuple):
    """Accelerators and what joins them.

    Attributes:
        name: of the accelerator and its links.
        peak: published operations a second of one device, in the arithmetic that JAX takes for float32 arrays.
        together: devices of a group.
        inside: the links of a group.
        between: the links from group to group.
        source: where the numbers are published.
    """

    name: str
    peak: float
    together: int
    inside: Link
    between: Link
    source: str


class Traffic(NamedTuple):
    """The collectives of one kind in one step.

    Attributes:
        number: of them.
        bytes: that one device holds of them altogether: of a gather after it, of a scatter before it.
    """

    number: float
    bytes: float


class Work(NamedTuple):
    """What one device does in one step.

    Attributes:
        operations: floating-point ones.
        collectives: by kind: "all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all".
    """

    operations: float
    collectives: Mapping[str, Traffic]


H100 = Machine(
    "H100 SXM, NVLink 4 in eights, InfiniBand NDR between",
    494.7e12,  # TF32 without sparsity
    8,
    Link(450e9, 2e-6),  # 900 GB/s in both directions together
    Link(50e9, 5e-6),  # 400 Gb/s for each GPU
    "NVIDIA H100 Tensor Core GPU datasheet; NVIDIA DGX H100 datasheet (eight ConnectX-7 of 400 Gb/s for eight GPUs)",
)
TPU_V5E = Machine(
    "TPU v5e, one pod",
    197e12,  # bfloat16, which float32 products are rounded to by default
    256,
    Link(200e9, 1e-6),  # 400 GB/s in both directions together
    Link(3.125e9, 50e-6),  # 6.4 Tb/s for the 256 chips of a pod
    "Google Cloud TPU v5e documentation, https://docs.cloud.google.com/tpu/docs/v5e",
)
MACHINES = (H100, TPU_V5E)


def ring_gather(n_bytes: float, n: int, link: Link) -> float:
    r"""Seconds of an all-gather or a reduce-scatter along a ring: each device sends all parts but one.

    $$ t = \frac{n - 1}{n} \frac{B}{b} + (n - 1)\,\alpha $$

    Args:
        n_bytes: $B$, of the whole array.
        n: devices.
        link: of bandwidth $b$ and latency $\alpha$.

    Returns:
        Seconds, 0 for one device.

    Example:
        >>> ring_gather(8.0, 4, Link(bandwidth=2.0, latency=0.5))
        4.5
    """
    return (n - 1) / n * n_bytes / link.bandwidth + (n - 1) * link.latency


def ring_all_reduce(n_bytes: float, n: int, link: Link) -> float:
    r"""Seconds of an all-reduce along a ring: a reduce-scatter, then an all-gather.

    $$ t = 2\,\frac{n - 1}{n} \frac{B}{b} + 2\,(n - 1)\,\alpha $$

    Args:
        n_bytes: $B$, of the array that is summed.
        n: devices.
        link: of bandwidth $b$ and latency $\alpha$.

    Returns:
        Seconds, 0 for one device.

    Example:
        >>> ring_all_reduce(8.0, 4, Link(bandwidth=2.0, latency=0.5))
        9.0

    References:
        Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", Journal of Parallel
        and Distributed Computing 69, 2009, section 4.
    """
    return 2 * ring_gather(n_bytes, n, link)


def seconds(kind: str, n_bytes: float, n: int, machine: Machine) -> float:
    """Seconds of one collective over all devices, in two levels where they are more than one group.

    An all-reduce of two levels sums inside each group, then, each device for its part, between groups, then gathers
    inside. A permutation takes the slowest link on its way.

    Args:
        kind: of collective.
        n_bytes: see `Traffic`.
        n: devices; a multiple of a group where there are more than that.
        machine: whose links.

    Returns:
        Seconds, 0 for one device.

    Raises:
        ValueError: if there is no such kind, or devices fill no groups.

    Example:
        >>> machine = Machine("", 1.0, 2, Link(4.0, 0.0), Link(1.0, 0.0), "")
        >>> seconds("all-reduce", 8.0, 2, machine), seconds("all-reduce", 8.0, 4, machine)
        (2.0, 6.0)
    """
    within = min(n, machine.together)
    if n % within:
        raise ValueError(f"{n} devices fill no groups of {within}")
    groups = n // within
    if n == 1:
        return 0.0
    if kind == "collective-permute":
        link = machine.inside if groups == 1 else machine.between
        return n_bytes / link.bandwidth + link.latency
    if kind == "all-to-all":
        near, far = (within - 1) / n, (n - within) / n
        latency = (within - 1) * machine.inside.latency + (n - within) * machine.between.latency
        return n_bytes * (near / machine.inside.bandwidth + far / machine.between.bandwidth) + latency
    passes = {"all-gather": 1, "reduce-scatter": 1, "all-reduce": 2}
    if kind not in passes:
        raise ValueError(f"there is no collective {kind!r}")
    inside = ring_gather(n_bytes, within, machine.inside)
    return passes[kind] * (inside + ring_gather(n_bytes / within, groups, machine.between))


def computing(work: Work, machine: Machine, *, peak_share: float) -> float:
    """Seconds of a step's operations on one device, at a share of its peak."""
    return work.operations / (peak_share * machine.peak)


def communicating(work: Work, n: int, machine: Machine) -> float:
    """Seconds of a step's collectives, one after the other.

    Args:
        work: of one device.
        n: devices.
        machine: what they are.

    Returns:
        Seconds, 0 for one device.

    Example:
        >>> machine = Machine("", 1.0, 8, Link(4.0, 0.5), Link(1.0, 0.0), "")
        >>> communicating(Work(1.0, {"collective-permute": Traffic(number=2, bytes=8.0)}), 4, machine)
        3.0
    """
    return sum(
        traffic.number * seconds(kind, traffic.bytes / traffic.number, n, machine)
        for kind, traffic in work.collectives.items()
        if traffic.number
    )


def efficiency(work: Work, n: int, machine: Machine, *, peak_share: float) -> float:
    """The share of a step that is computation.

    Args:
        work: of one device, of n.
        n: devices.
        machine: what they are.
        peak_share: of its peak that a device reaches while it computes; an assumption.

    Returns:
        In (0, 1], 1 for one device.

    Example:
        >>> machine = Machine("", 10.0, 8, Link(4.0, 0.0), Link(1.0, 0.0), "")
        >>> efficiency(Work(3.0, {"all-reduce": Traffic(1, 4.0)}), 2, machine, peak_share=0.1)
        0.75
    """
    busy = computing(work, machine, peak_share=peak_share)
    return busy / (busy + communicating(work, n, machine))


def speedup(work: Work, alone: float, n: int, machine: Machine, *, peak_share: float) -> float:
    """How many times as fast as one device, which does the same work alone.

    Args:
        work: of one device, of n.
        alone: operations of the whole step on one device.
        n: devices.
        machine: what they are.
        peak_share: of its peak that a device reaches while it computes; an assumption.

    Returns:
        At most n, unless work that a device alone does twice is saved.

    Example:
        >>> machine = Machine("", 10.0, 8, Link(4.0, 0.0), Link(1.0, 0.0), "")
        >>> speedup(Work(3.0, {"all-reduce": Traffic(1, 4.0)}), 6.0, 2, machine, peak_share=0.1)
        1.5
    """
    taken = computing(work, machine, peak_share=peak_share) + communicating(work, n, machine)
    return computing(Work(alone, {}), machine, peak_share=peak_share) / taken
