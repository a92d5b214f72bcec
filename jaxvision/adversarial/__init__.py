"""Which pixels fool: images that a classifier takes for something else."""

from jaxvision.adversarial.fooling import FoolingResult, fooling_image, fooling_problem

__all__ = ["FoolingResult", "fooling_image", "fooling_problem"]
