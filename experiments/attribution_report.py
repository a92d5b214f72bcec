"""What the comparison of attribution methods found, as a table and a sheet of maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from experiments.colours import heat
from experiments.figures import STYLE, pictures, show

TITLES = {"grad_cam_plus_plus": "grad_cam++", "integrated_gradients": "integrated\ngradients"}


@dataclass(frozen=True)
class Estimate:
    """A mean over images, and how far off it may be."""

    mean: float
    margin: float
    """half a 95 % interval, 1.96 standard errors; NaN of one image, null in JSON"""

    @classmethod
    def of(cls, values: Float[np.ndarray, " n"]) -> "Estimate":
        """From a value for each image.

        Example:
            >>> Estimate.of(np.array([1.0, 3.0]))
            Estimate(mean=2.0, margin=1.96)
        """
        error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
        return cls(float(values.mean()), float(1.96 * error))

    def __str__(self) -> str:
        return f"{self.mean:.2f}" if np.isnan(self.margin) else f"{self.mean:.2f} ± {self.margin:.2f}"


@dataclass(frozen=True)
class Row:
    """One method."""

    method: str
    pointing: Estimate | None
    """share of maps that are largest on the object; none where it is not known"""
    energy: Estimate | None
    """part of a map's positive values that lies on the object"""
    deletion: Estimate
    """area below the probability as the most important pixels leave: low is good"""
    insertion: Estimate
    """the same as they come: high is good"""
    randomized: Estimate
    """rank correlation with the map of the same network without training: high is bad"""


COLUMNS = {
    "pointing": "on object, hits",
    "energy": "on object, energy",
    "deletion": "deletion AUC",
    "insertion": "insertion AUC",
    "randomized": "untrained",
}


def lines_of(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The table: the names of the columns, then a line for each method; measures that none has are left out.

    Example:
        >>> one = Estimate(0.5, 0.1)
        >>> lines_of([Row("saliency", None, None, one, one, one)])[1]
        ('saliency', '0.50 ± 0.10', '0.50 ± 0.10', '0.50 ± 0.10')
    """
    known = [name for name in COLUMNS if getattr(rows[0], name) is not None]
    lines: list[tuple[str, ...]] = [("method", *(COLUMNS[name] for name in known))]
    return lines + [(row.method, *(str(getattr(row, name)) for name in known)) for row in rows]


def sheet(
    photographs: Float[np.ndarray, "r h w 3"], captions: Sequence[str], maps: Mapping[str, Float[np.ndarray, "r h w"]]
) -> Figure:
    """A row for each image, a column for each method: what speaks for the class is bright.

    Args:
        photographs: `(R, h, w, 3)` in [0, 1].
        captions: below each photograph.
        maps: by method, `(R, h, w)`; negative values are shown as zero.

    Returns:
        The figure.
    """
    columns = min(len(maps) + 1, 7)  # the rest in further blocks
    blocks = -(-len(maps) // (columns - 1))
    names = list(maps)
    with matplotlib.rc_context(STYLE):
        figure, axes = pictures(
            blocks * len(photographs), columns, cell=1.3, heading=0.25 * blocks + 0.17 * blocks * len(photographs)
        )
        for block in range(blocks):
            shown = names[block * (columns - 1) : (block + 1) * (columns - 1)]
            for row, photograph in enumerate(photographs):
                line = axes[block * len(photographs) + row]
                show(line[0], photograph)
                line[0].set_xlabel(captions[row], labelpad=2, fontsize=7)
                for axis, name in zip(line[1:], shown, strict=False):
                    show(axis, heat(np.maximum(maps[name][row], 0)), title=TITLES.get(name, name) if row == 0 else None)
    return figure
