"""A style transfer in parts, with a picture and a checkpoint after each: from stage to stage, and how to go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from experiments.film import logged_steps
from experiments.inputs import to_unit
from experiments.style_stages import Course, Stage
from jaxvision import style
from jaxvision.data import write_image
from jaxvision.pixels import PixelProblem, PixelState, evaluate, resize, start
from jaxvision.training import Run, checkpoints, progress

PARTS = 12  # of a run, with a picture and a checkpoint after each


class Painting(NamedTuple):
    """A run in the making: everything needed to go on.

    Attributes:
        pixels: the pixel loop's state, at the size of the stage.
        done: steps taken in all stages.
    """

    pixels: PixelState
    done: Int[Array, ""]

    @property
    def step(self) -> Int[Array, ""]:
        """What a checkpoint is named after."""
        return self.done


@dataclass(frozen=True)
class Subject:
    """What is painted and how.

    Attributes:
        course: the network, its layers and the stages.
        content: `(1, H, W, 3)`, normalised, at its full size.
        styles: each `(1, h, w, 3)`, normalised, at the size that belongs to the content's.
        regions: one for each style, `(1, H, W)` or None.
        begin: `(1, H, W, 3)`, normalised, where to begin.
        mesh: among whose devices the rows are divided; None for one device.
    """

    course: Course
    content: Float[Array, "1 h w 3"]
    styles: Sequence[Float[Array, "1 _ _ 3"]]
    regions: Sequence[Float[Array, "1 h w"] | None]
    begin: Float[Array, "1 h w 3"]
    mesh: Mesh | None = None

    @property
    def stages(self) -> Sequence[Stage]:
        """Of the course."""
        return self.course.stages

    def problem(self, k: int) -> PixelProblem:
        """What stage k optimises."""
        content, (styles, regions) = style.at_side(self.content, self.styles, self.regions, self.stages[k].side)
        return self.course.problem(k, content, styles, regions)

    def placed(self, tree: Any) -> Any:
        """Arrays where they are to be computed."""
        return tree if self.mesh is None else style.divide_rows(tree, self.mesh)

    def size(self, k: int) -> tuple[int, int]:
        """Height and width at stage k."""
        content, _ = style.at_side(self.content, [], None, self.stages[k].side)
        return content.shape[1], content.shape[2]


def paint(run: Run, subject: Subject, *, resume: bool) -> tuple[Painting, dict[str, float]]:
    """From part to part, each with a progress picture, a checkpoint and a line of progress.

    Args:
        run: where metrics, pictures and checkpoints go.
        subject: what is painted.
        resume: go on from the run's newest checkpoint.

    Returns:
        The finished painting, and its final terms.

    Raises:
        FloatingPointError: if the image is no longer finite; the checkpoint before is kept.
    """
    n_steps = subject.stages[-1].end
    moments = np.unique(np.linspace(0, n_steps, PARTS + 1).round().astype(int))
    done = _done(run) if resume else 0
    k = next(k for k, stage in enumerate(subject.stages) if done <= stage.end)  # whose size the image has
    problem = subject.problem(k)
    painting = Painting(start(problem, resize(subject.begin, subject.size(k))), jnp.zeros((), jnp.int32))
    painting = run.restore(painting) if resume else painting
    with progress(n_steps, done) as report:
        while (done := int(painting.done)) < n_steps:
            pixels = painting.pixels
            if done == subject.stages[k].end:  # on to the next size or optimiser
                k += 1
                problem = subject.problem(k)
                pixels = _carried(problem, pixels, subject.stages[k], subject.size(k))
            following = min(int(moments[moments > done].min()), subject.stages[k].end)
            pixels, last = logged_steps(run, *subject.placed((problem, pixels)), done, following)
            write_image(run.picture(f"progress/step_{following:05d}.png"), to_unit(style.average(pixels))[0])
            painting = Painting(pixels, jnp.asarray(following, jnp.int32))
            run.save(painting)
            report(following, {"loss": float(last["loss"][0])})
    final = evaluate(problem, subject.stages[k].project(style.average(painting.pixels), painting.pixels.step))
    return painting, {name: float(value[0]) for name, value in final.items()}


def _carried(problem: PixelProblem, pixels: PixelState, stage: Stage, size: tuple[int, int]) -> PixelState:
    if stage.fresh:
        return start(problem, resize(pixels.images, size))
    return style.rescaled(pixels, size)


def _done(run: Run) -> int:
    """The step of the newest checkpoint, which says the size of what it holds."""
    folder = run.path / "checkpoints"
    if not checkpoints.found(folder):
        return 0
    return int(checkpoints.latest(folder).path.name.split("-")[1])
