"""How well attribution maps tell what a classifier does: measured on the classifier, not by eye."""

from jaxvision.metrics.faithfulness.curves import Curve, deletion, insertion
from jaxvision.metrics.faithfulness.infidelity import NoisyBaseline, SquareRemoval, infidelity
from jaxvision.metrics.faithfulness.max_sensitivity import max_sensitivity
from jaxvision.metrics.faithfulness.pointing_game import PointingGame, pointing_game
from jaxvision.metrics.faithfulness.randomization import CascadingRandomization, cascading_randomization, redraw
from jaxvision.metrics.faithfulness.road import linear_imputation, road
from jaxvision.metrics.faithfulness.sensitivity_n import sensitivity_n
from jaxvision.metrics.faithfulness.spearman import spearman

__all__ = [
    "CascadingRandomization",
    "Curve",
    "NoisyBaseline",
    "PointingGame",
    "SquareRemoval",
    "cascading_randomization",
    "deletion",
    "infidelity",
    "insertion",
    "linear_imputation",
    "max_sensitivity",
    "pointing_game",
    "redraw",
    "road",
    "sensitivity_n",
    "spearman",
]
