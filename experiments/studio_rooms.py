"""What the studio shows, without its page: from a picture to pictures and words, part by part."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg

from experiments import caption_explained, caption_figures, style_settings, style_transfer
from experiments.attribution import CAM_LAYERS
from experiments.attribution_methods import METHODS, Problem
from experiments.captioner_files import TrainedCaptioner
from experiments.class_visualization import FAINT, drawing_problem, resolved
from experiments.class_visualization import Config as DrawingConfig
from experiments.classes import find_class
from experiments.colours import magnification, overlay
from experiments.encoders import encode
from experiments.figures import percent, short_name
from experiments.generator_files import TrainedGenerator
from experiments.inputs import probabilities, require_finite, to_unit, top
from experiments.networks import Network
from jaxvision import style
from jaxvision.adversarial import fooling_problem
from jaxvision.data import read_image, resize_image
from jaxvision.errors import InputError
from jaxvision.gan import uniform_latents
from jaxvision.pixels import (
    ClipNormalized,
    PixelProblem,
    PixelState,
    advance,
    margin,
    normalize,
    start,
    start_from_noise,
)

Picture = UInt8[np.ndarray, "h w 3"]

SHOWN = 256  # pixels: smaller pictures are shown as squares of several pixels, which a browser would blur
LARGEST = 1024  # pixels, of the shorter side of a picture that is kept
FOOLING_PART, DRAWING_PART, STYLE_PART = 2, 10, 5  # steps between two looks
DIRECTIONS = 6  # through the latents, one for each slider
SAMPLES = 16  # images of a generator, side by side


class Moment(NamedTuple):
    """What there is to see at one moment of a run: pictures with a title each, and a sentence."""

    pictures: tuple[tuple[Picture, str], ...]
    words: str


def within(
    seconds: float, moments: Iterator[Moment], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Moment]:
    """The moments of a run until its time is over, then the last one with a sentence that says so.

    A part that is being computed is waited for: the limit is looked at between parts.

    Args:
        seconds: of wall time.
        moments: of a run.
        clock: seconds from any beginning.

    Example:
        >>> run = (Moment((), f"step {k}") for k in range(9))
        >>> [moment.words for moment in within(2.0, run, clock=iter([0.0, 1.0, 3.0]).__next__)]
        ['step 0', 'step 1', 'step 1. Stopped after 2 seconds, the limit; --seconds allows more.']
    """
    begun = clock()
    for moment in moments:
        yield moment
        if clock() - begun > seconds:
            over = f"Stopped after {seconds:g} seconds, the limit; --seconds allows more."
            yield moment._replace(words=f"{moment.words}. {over}")
            return


def opened(path: str) -> Picture:
    """An uploaded file as a picture, brought down where it is large.

    Raises:
        InputError: if it is no picture, or one that cannot be used.
    """
    try:
        picture = read_image(path)
    except InputError as error:  # the folder is the page's own and tells a reader nothing
        raise InputError(str(error).replace(path, Path(path).name)) from error
    return resize_image(picture, LARGEST, crop=False) if min(picture.shape[:2]) > LARGEST else picture


def enlarged(picture: Picture) -> Picture:
    """Each pixel of a small picture as a square of several.

    Example:
        >>> enlarged(np.zeros((64, 100, 3), np.uint8)).shape
        (256, 400, 3)
    """
    factor = max(1, SHOWN // min(picture.shape[:2]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def classes(network: Network, picture: Picture) -> dict[str, float]:
    """The five likeliest classes and their probabilities."""
    return dict(top(network.class_names, probabilities(network, _seen(network, picture))[0]))


def maps(network: Network, picture: Picture, methods: Sequence[str]) -> Iterator[Moment]:
    """Which pixels made the likeliest class, by one method of attribution after another.

    Args:
        network: which looks.
        picture: what it looks at.
        methods: names of `attribution_methods.METHODS`.

    Yields:
        The picture and the maps so far, light where pixels speak for the class.
    """
    image = _seen(network, picture)
    answer = probabilities(network, image)
    name, chance = top(network.class_names, answer[0], k=1)[0]
    words = f"{short_name(name)} {percent(chance)}"
    problem = Problem(
        network.model,
        normalize(image),
        jnp.asarray(answer.argmax(1), jnp.int32),
        CAM_LAYERS[network.samples],
        jax.random.split(jax.random.key(0), 1),
    )
    shown = [(_shown(image[0]), "picture")]
    for number, method in enumerate(methods, start=1):
        found = np.asarray(METHODS[method](problem))[0]
        require_finite(found, f"a map by {method}")
        shown.append((_shown(overlay(image[0], found)), method.replace("_", " ")))
        yield Moment(tuple(shown), f"{words}: {number} of {len(methods)} methods")


def fooling(network: Network, picture: Picture, target: str, *, n_steps: int = 100) -> Iterator[Moment]:
    """A picture on its way to be taken for something else.

    Args:
        network: which is fooled.
        picture: with which.
        target: a class by index or name; empty for the likeliest but one.
        n_steps: at most.

    Yields:
        The picture, its change magnified, and what the network says of it.

    Raises:
        InputError: if no class is called so.
    """
    image = _seen(network, picture)
    answer = probabilities(network, image)[0]
    goal = find_class(network.class_names, target) if target.strip() else int(np.argsort(-answer)[1])
    problem = fooling_problem(network.ascent_fn, jnp.asarray([goal], jnp.int32), score=margin, project=ClipNormalized())
    begun, name = start(problem, normalize(image)), short_name(network.class_names[goal])
    for _, state in _parts(problem, begun, n_steps, FOOLING_PART):
        fooled = to_unit(state.images)
        said, chance = top(network.class_names, probabilities(network, fooled)[0], k=1)[0]
        change = fooled - image
        factor = magnification(change)
        steps, done = int(state.steps[0]), bool(state.stopped[0])
        end = f": it is {name} now" if done else f", on the way to {name}"
        yield Moment(
            (
                (_shown(fooled[0]), f"{short_name(said)} {percent(chance)}"),
                (_shown(np.clip(0.5 + factor * change[0], 0, 1)), f"change, {factor} times"),
            ),
            f"Step {steps}{end}",
        )
        if done:
            return


def drawing(network: Network, target: str, *, n_steps: int | None = None) -> Iterator[Moment]:
    """The image that a network would call most like a class, as it comes about from noise.

    Args:
        network: whose class.
        target: a class by index or name.
        n_steps: steps; none: what suits the network.

    Yields:
        The image so far and the class's probability.

    Raises:
        InputError: if no class is called so.
    """
    goal = find_class(network.class_names, target)
    settings = resolved(DrawingConfig(n_steps=n_steps, tries=1), network.image_size)
    problem = drawing_problem(network, np.array([goal]), settings)
    side = network.image_size
    begun = start_from_noise(problem, 1, key=jax.random.key(0), image_shape=(side, side, 3))
    begun = begun._replace(images=(FAINT if settings.coarse else 1.0) * begun.images)
    name = short_name(network.class_names[goal])
    for step, state in _parts(problem, begun, settings.n_steps, DRAWING_PART):
        drawn = to_unit(state.images)
        chance = float(probabilities(network, drawn)[0, goal])
        yield Moment(((_shown(drawn[0]), f"{name} {percent(chance)}"),), f"Step {step} of {settings.n_steps}")


def painting(
    network: Network, content: Picture, manner: Picture, *, size: int = 192, n_steps: int = 200
) -> Iterator[Moment]:
    """The content of one picture on its way to the manner of another.

    Args:
        network: whose features are matched.
        content: what is shown.
        manner: how it is painted.
        size: short side of the result in pixels.
        n_steps: steps.

    Yields:
        The image so far.

    Raises:
        InputError: if the settings or the network cannot be used.
    """
    config = style_settings.Config(size=size, n_steps=n_steps, n_scales=1, weights=network.weights)
    settings = style_settings.resolved(config)
    subject = style_transfer.prepare(settings, style_settings.course_of(settings, network), content, [manner])
    problem = subject.problem(0)
    for step, state in _parts(problem, start(problem, subject.begin), n_steps, STYLE_PART):
        painted = to_unit(style.average(state))
        yield Moment(((_shown(painted[0]), f"step {step}"),), f"Step {step} of {n_steps}")


def caption(captioner: TrainedCaptioner, picture: Picture) -> Moment:
    """What a picture shows, and for each word where the captioner looked, or which pixels made it say the word.

    Args:
        captioner: of any kind: attention is shown where it has some, saliency otherwise.
        picture: what is described.
    """
    image = _square(picture, captioner.encoder.size)
    features = encode(captioner.encoder, image)
    said = captioner.captions(features)
    note = ". This captioner knows coloured shapes and nothing else" if captioner.encoder.name == "scenes" else ""
    if captioner.encoder.grid:
        sheet = _drawn(caption_figures.attention([image[0]], said, captioner.maps(features, said)))
        return Moment(((sheet, "where each word was looked for"),), f"{said[0]}{note}")
    found = caption_explained.explain(captioner, image, said, "saliency")[0]
    words = zip(said[0].split(), found, strict=False)  # a caption without words has a map, too
    shown = [(_shown(overlay(image[0], values)), word) for word, values in words]
    return Moment(((_shown(image[0]), "picture"), *shown), f"{said[0]}{note}")


def samples(generator: TrainedGenerator, seed: int, along: Sequence[float]) -> Picture:
    """Images of a generator, all moved the same way through its latents.

    Args:
        generator: which draws.
        seed: of the latents to begin with.
        along: up to `DIRECTIONS` lengths, each along a direction of its own; the directions are orthogonal and drawn
            once and for all.

    Returns:
        A sheet of `SAMPLES` images.
    """
    latents = uniform_latents(jax.random.key(seed), SAMPLES, generator.latent_dim)
    directions, _ = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (generator.latent_dim, DIRECTIONS)))
    moved = latents + (directions[:, : len(along)] @ jnp.asarray(along, jnp.float32))[None]
    images = np.asarray(_draw(generator.model, jnp.clip(moved, -1, 1)))
    height, width, channels = images.shape[1:]
    columns = round(SAMPLES**0.5)
    rows = np.clip((images + 1) / 2, 0, 1).reshape(-1, columns, height, width, channels)
    sheet = rows.transpose(0, 2, 1, 3, 4).reshape(-1, columns * width, channels)
    return _shown(np.repeat(sheet, 3, axis=-1) if channels == 1 else sheet)


@jax.jit
def _draw(model: Any, latents: Float[jax.Array, "n d"]) -> jax.Array:
    return model(latents)


def _drawn(figure: Any) -> Picture:
    """A figure's pixels."""
    figure.set_dpi(160)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _parts(problem: PixelProblem, state: PixelState, n_steps: int, part: int) -> Iterator[tuple[int, PixelState]]:
    """The pixel loop's state after each part; parts of one length, so that one program serves all but the last."""
    for done in range(0, n_steps, part):
        end = min(done + part, n_steps)
        state, _ = advance(problem, state, n_steps=end - done)
        require_finite(np.asarray(state.images), f"the image after step {end}")
        yield end, state


def _square(picture: Picture, size: int) -> Float[np.ndarray, "1 s s 3"]:
    return resize_image(picture, size)[None].astype(np.float32) / 255


def _seen(network: Network, picture: Picture) -> Float[np.ndarray, "1 s s 3"]:
    return _square(picture, network.image_size)


def _shown(image: Float[np.ndarray, "h w 3"]) -> Picture:
    return enlarged(np.round(255 * image).astype(np.uint8))
