"""A pixel loop in parts, with a frame and a checkpoint after each: how an image came about, and how to go on."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from experiments.inputs import require_finite, to_unit
from jaxvision.pixels import PixelProblem, PixelState, advance, evaluate, start_from_noise
from jaxvision.training import Run, progress


class Film(NamedTuple):
    """A run in the making: everything needed to go on.

    Attributes:
        pixels: the pixel loop's state.
        frames: `(T, r, H, W, C)`, the first r images at each tenth of the run, 8 bits; those to come are zero.
        chances: `(T, N)`, the targets' probabilities at the same moments.
    """

    pixels: PixelState
    frames: UInt8[np.ndarray, "t r h w c"]
    chances: Float[np.ndarray, "t n"]

    @property
    def step(self) -> Int[Array, ""]:
        """Steps taken: what a checkpoint is named after."""
        return self.pixels.step


def begin(
    problem: PixelProblem,
    n: int,
    *,
    seed: int,
    side: int,
    moments: Int[np.ndarray, " t"],
    n_filmed: int,
    contrast: float = 1.0,
) -> Film:
    """A film of noise, its first frame taken.

    Args:
        problem: what to optimise.
        n: images.
        seed: of the noise and all that follows.
        side: pixels, of the square images.
        moments: `(T,)`, the steps at which a frame is taken, from 0.
        n_filmed: of how many of the images.
        contrast: deviation of the noise, in normalised units.

    Returns:
        The film before the first step.
    """
    shape = (side, side, 3)
    pixels = start_from_noise(problem, n, key=jax.random.key(seed), image_shape=shape)
    pixels = pixels._replace(images=contrast * pixels.images)
    frames = np.zeros((len(moments), min(n, n_filmed), *shape), np.uint8)
    return _expose(Film(pixels, frames, np.zeros((len(moments), n), np.float32)), problem, 0)


def shoot(run: Run, problem: PixelProblem, film: Film, moments: Int[np.ndarray, " t"]) -> Film:
    """From moment to moment, each with a frame, a checkpoint and a line of progress.

    Args:
        run: where metrics and checkpoints go.
        problem: what to optimise; its trace has "target_probability".
        film: of `begin`, or of an interrupted run.
        moments: as given to `begin`.

    Returns:
        The finished film.

    Raises:
        FloatingPointError: if an image is no longer finite; the checkpoint before is kept.
    """
    with progress(int(moments[-1]), int(film.step)) as report:
        for k in np.flatnonzero(moments > int(film.step)):
            pixels, last = logged_steps(run, problem, film.pixels, int(film.step), int(moments[k]))
            film = _expose(Film(pixels, film.frames, film.chances), problem, int(k))
            run.save(film)
            report(int(moments[k]), {name: float(last[name].mean()) for name in ("target_probability", "loss")})
    return film


def logged_steps(
    run: Run, problem: PixelProblem, pixels: PixelState, done: int, until: int
) -> tuple[PixelState, dict[str, Float[np.ndarray, " n"]]]:
    """A part of a pixel loop: some steps, whose metrics are logged as means over the images.

    Args:
        run: where metrics go.
        problem: what to optimise.
        pixels: the state after `done` steps of the run.
        done: steps taken before this part.
        until: steps taken after it.

    Returns:
        The state, and the metrics of the last of the steps, of each image.

    Raises:
        FloatingPointError: if an image is no longer finite.
    """
    pixels, trace = advance(problem, pixels, n_steps=until - done)
    require_finite(np.asarray(pixels.images), f"an image after step {until} ({run.kept()})")
    trace = {name: np.asarray(values) for name, values in trace.items()}
    run.log(done, {name: values.mean(axis=1) for name, values in trace.items()})
    return pixels, {name: values[-1] for name, values in trace.items()}


def _expose(film: Film, problem: PixelProblem, k: int) -> Film:
    """The film with its k-th frame."""
    frames, chances = np.array(film.frames), np.array(film.chances)
    frames[k] = np.round(255 * to_unit(film.pixels.images[: frames.shape[1]]))
    chances[k] = evaluate(problem, film.pixels.images)["target_probability"]
    return Film(film.pixels, frames, chances)
