"""What the growth benchmark found, in words and tables."""

from collections.abc import Sequence
from pathlib import Path

from experiments import scaling_model as model
from experiments.benchmark_growth_devices import Share
from experiments.benchmark_growth_report import FLAT, Devices, Measured, a, work_done
from jaxvision.files import atomic_write


def summary(curves: Sequence[Measured], devices: Devices | None) -> str:
    """The verdicts, a line each."""
    lines = [f"{curve.name:9} {curve.verdict}" for curve in curves]
    if devices is not None:
        worst = max((share.difference or 0.0) for share in devices.shares.run)
        lines.append(f"devices   every program gives what it gives on one, within {worst:.0e} of the norm")
    return "\n".join(lines)


def markdown(curves: Sequence[Measured], devices: Devices | None, machine: str) -> str:
    """All tables."""
    parts = [f"# How cost grows\n\n{machine}\n"]
    if curves:
        parts.append(_verdicts(curves))
        parts += [_points(curve) for curve in curves]
    if devices is not None:
        parts += [_shares(devices.shares.run), _model(devices)]
    return "\n".join(parts)


def write(path: Path, text: str) -> None:
    """Writes a text whole or not at all."""
    with atomic_write(path, text=True) as stream:
        stream.write(text)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """Markdown, the first columns of words, the others of numbers."""
    rule = [":--" if i < words else "--:" for i in range(len(header))]
    return "".join("| " + " | ".join(row) + " |\n" for row in (header, rule, *rows))


def _verdicts(curves: Sequence[Measured]) -> str:
    rows = [
        (
            curve.name,
            curve.title,
            curve.law,
            f"{curve.law_exponent:.2f}",
            f"{curve.exponent:.2f}",
            f"{curve.spread:.2f}",
            curve.verdict,
        )
        for curve in curves
    ]
    header = (
        "curve",
        "program",
        "the algorithm says",
        "its exponent",
        "measured",
        "spread of a unit's time",
        "verdict",
    )
    note = (
        "An exponent is the slope of time against size, both in logarithms. The spread is the dearest unit of work "
        f"over the cheapest; up to {FLAT} the algorithm's law counts as kept.\n"
    )
    return f"{_table(header, rows, words=3)}\n{note}"


def _points(curve: Measured) -> str:
    rows = [
        (
            f"{point.size:,}",
            f"{1e3 * point.seconds.median:.1f} ({1e3 * point.seconds.low:.1f}-{1e3 * point.seconds.high:.1f})",
            f"{1e3 * unit:.3g}",
            *(() if curve.memory is None else (f"{(point.memory or 0) / 2**20:.1f}",)),
        )
        for point, unit in zip(curve.points, curve.unit_seconds, strict=True)
    ]
    header = (curve.size_name, "ms", f"ms {a(curve.unit)}", *(() if curve.memory is None else ("peak, MiB",)))
    text = f"## {curve.name}: {curve.title}\n\n"
    text += _table(header, rows, words=0)
    if curve.memory is not None:
        text += (
            f"\nMemory: {curve.memory.slope:,.0f} bytes a pixel and "
            f"{curve.memory.start / 2**20:.1f} MiB beside; the largest residual is "
            f"{100 * curve.memory.residual:.1f} % of the largest peak.\n"
        )
    return text


def _shares(shares: Sequence[Share]) -> str:
    rows = [
        (
            share.name,
            f"{share.size} {share.unit}",
            str(share.n_devices),
            f"{share.difference or 0:.0e}",
            f"{share.work.operations / 1e9:.2f}",
            f"{work_done(share, shares):.2f}",
            f"{share.memory / 2**20:.1f}",
            _sent(share),
        )
        for share in shares
    ]
    header = (
        "program",
        "of",
        "devices",
        "differs by",
        "GFLOP each",
        "all over one",
        "MiB each",
        "collectives of a step",
    )
    return f"## devices: what each of several devices does\n\n{_table(header, rows, words=2)}"


def _sent(share: Share) -> str:
    found = share.work.collectives.items()
    return ", ".join(f"{kind} {t.number:.0f} x, {t.bytes / 1e6:.2f} MB" for kind, t in found) or "none"


def _model(devices: Devices) -> str:
    if not devices.model:
        return ""
    sizes = {(share.name, share.n_devices): share for share in devices.shares.growing}
    rows = [
        (
            row.name,
            row.machine,
            str(row.n_devices),
            f"{sizes[row.name, row.n_devices].size:,} {sizes[row.name, row.n_devices].unit}",
            f"{100 * row.growing:.0f} %",
            f"{row.fixed:.1f}",
            f"{100 * row.fixed / row.n_devices:.0f} %",
        )
        for row in devices.model
    ]
    fixed = {f"{share.size:,} {share.unit} ({share.name})": None for share in devices.shares.fixed}
    header = (
        "program",
        "accelerators",
        "devices",
        "growing problem",
        "efficiency",
        "fixed problem: times as fast",
        "of n",
    )
    sources = " ".join(f"{m.name}: {m.peak / 1e12:g} TFLOP/s, {m.source}." for m in model.MACHINES)
    return (
        "## model of many accelerators (not a measurement)\n\n"
        f"{_table(header, rows, words=2)}\nThe growing problem has as many units for each device whatever their "
        f"number, the fixed one {', '.join(fixed)} for all. Operations and collectives are those of programs compiled "
        f"for so many devices; assumed are {100 * devices.peak_share:.0f} % of the published peak while a device "
        f"computes, latencies, and no overlap of the two. {sources}\n"
    )
