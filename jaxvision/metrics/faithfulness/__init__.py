"""How well attribution maps tell what a classifier does: measured on the classifier, not by eye."""

from jaxvision.metrics.faithfulness.curves import Curve, deletion, insertion
from jaxvision.metrics.faithfulness.infidelity import NoisyBaseline, SquareRemoval, infidelity
from jaxvision.metrics.faithfulness.max_sensitivity import max_sensitivity
from jaxvision.metrics.faithfulness.pointing_game import PointingGame, pointing_game

__all__ = [
    "Curve",
    "NoisyBaseline",
    "PointingGame",
    "SquareRemoval",
    "deletion",
    "infidelity",
    "insertion",
    "max_sensitivity",
    "pointing_game",
]
