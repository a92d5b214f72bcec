"""Style transfer from coarse to fine: one compiled program for each size."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels import ClipNormalized, PixelState, advance, check_images, evaluate, resize, start
from jaxvision.pixels.loop import Terms, Trace
from jaxvision.signatures import FeaturesFn
from jaxvision.style.devices import divide_rows
from jaxvision.style.objective import Layers, check_regions, style_problem, style_targets
from jaxvision.style.optimizers import adam, average
from jaxvision.style.statistic import GRAM, StyleStatistic

DISPLAYABLE = ClipNormalized()


class TransferResult(NamedTuple):
    """Stylised images and how they came about.

    Attributes:
        images: `(N, H, W, C)`, normalised; the averaged iterate.
        traces: for each size, `(n_steps, N)` for "loss" and each weighted term, before each update.
        final: `(N,)` for "loss" and each weighted term at the returned images.
    """

    images: Float[Array, "n h w c"]
    traces: tuple[Trace, ...]
    final: Terms


def transfer(
    features_fn: FeaturesFn,
    content: Float[ArrayLike, "n h w c"],
    styles: Sequence[Float[ArrayLike, "_ _ _ _"]],
    *,
    content_layers: Layers,
    style_layers: Layers,
    content_weight: ArrayLike = 1.0,
    style_weights: Sequence[ArrayLike] | None = None,
    tv_weight: ArrayLike = 0.0,
    regions: Sequence[Float[ArrayLike, "_ _ _"] | None] | None = None,
    statistic: StyleStatistic = GRAM,
    relative: bool = False,
    init: Float[ArrayLike, "n h w c"] | None = None,
    sizes: Sequence[int] | None = None,
    n_steps: int | Sequence[int] = 200,
    optimizer: optax.GradientTransformation | None = None,
    project: Callable[[Array, Array], Array] | None = DISPLAYABLE,
    mesh: Mesh | None = None,
) -> TransferResult:
    r"""An image with the content of one picture and the style of others.

    $$ x^* = \arg\min_x \; \alpha L_\text{content}(x) + \sum_s \beta_s L_\text{style}^s(x) + \gamma L_\text{TV}(x) $$

    With no style it is feature inversion, with content weight 0 texture synthesis. Give batches for a contact sheet:
    every content, style, weight and beginning may be one for each image.

    Args:
        features_fn: images `(N, H, W, C)`, normalised, to a dictionary of feature maps, each image on its own. A
            pytree such as `backbones.features_fn(model)` keeps its weights out of the compiled program.
        content: `(N, H, W, C)`, normalised.
        styles: each `(1, h, w, C)` or `(N, h, w, C)`, normalised. Over `sizes` they shrink as the content does.
        content_layers: layer to its share.
        style_layers: layer to its share.
        content_weight: $\alpha$, a number or `(N,)`.
        style_weights: $\beta_s$, for each style a number or `(N,)`; 1 if not given.
        tv_weight: $\gamma$, a number or `(N,)`.
        regions: for each style where it shall show, `(1, H, W)` or `(N, H, W)` in [0, 1], None for everywhere.
        statistic: what a style is: `GRAM`, `MOMENTS`, `WASSERSTEIN`, `SLICED`, `HISTOGRAM` or your own.
        relative: weigh each layer by its own size, see `style_targets`.
        init: `(N, H, W, C)`, where to begin; the content if not given.
        sizes: short sides from coarse to fine; the content's own if not given. The image and what the optimiser knows
            of it are carried from one to the next.
        n_steps: steps at each size, one number or one for each.
        optimizer: an optax optimiser made by `averaged`; `style.adam()` if not given.
        project: `(images, step) -> images` after each update; the default keeps images displayable.
        mesh: of `space_mesh`: the rows of every image are divided among its devices, see `divide_rows`.

    Returns:
        Images, traces and final terms.

    Raises:
        InputError: if shapes, numbers of styles or layers do not fit.

    Example:
        >>> features_fn = lambda images: {"pixels": images}
        >>> black, grey = jnp.full((1, 8, 8, 3), -1.0), jnp.zeros((1, 8, 8, 3))
        >>> result = transfer(
        ...     features_fn, black, [grey], content_layers={"pixels": 1.0}, style_layers={}, init=grey, n_steps=60
        ... )
        >>> bool(abs(result.images + 1).max() < 0.1)  # no style: the content comes back
        True

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR 2016, equation 7.
        Gatys et al., "Controlling perceptual factors in neural style transfer", https://arxiv.org/abs/1611.07865, 2017:
        regions (equation 8, by weights instead of stacked features) and coarse to fine (section 7). Departures: losses
        are means, and the returned image is the average of the last iterates.
    """
    content = check_images(content)
    check_regions(regions or [], (content.shape[1], content.shape[2]))
    optimizer = adam() if optimizer is None else optimizer
    sides = [min(content.shape[1:3])] if sizes is None else list(sizes)
    counts = [n_steps] * len(sides) if isinstance(n_steps, int) else list(n_steps)
    if not sides or len(counts) != len(sides):
        raise InputError(f"there must be a number of steps for each size, got {len(counts)} for {len(sides)} sizes")
    begin = content if init is None else check_images(init)
    problem = state = None
    traces: list[Trace] = []
    for side, count in zip(sides, counts, strict=True):
        now, (styles_now, regions_now) = at_side(content, styles, regions, side)
        if mesh is not None:
            now, styles_now = divide_rows((now, styles_now), mesh)
        targets = style_targets(
            features_fn,
            now,
            styles_now,
            content_layers=content_layers,
            style_layers=style_layers,
            content_weight=content_weight,
            style_weights=style_weights,
            tv_weight=tv_weight,
            regions=regions_now,
            statistic=statistic,
            relative=relative,
        )
        problem = style_problem(features_fn, targets, optimizer, statistic=statistic, project=project)
        size = (now.shape[1], now.shape[2])
        state = start(problem, resize(begin, size)) if state is None else rescaled(state, size)
        if mesh is not None:
            problem, state = divide_rows((problem, state), mesh)
        state, trace = advance(problem, state, n_steps=count)
        traces.append(trace)
    assert problem is not None  # there is a size
    assert state is not None
    images = average(state) if project is None else project(average(state), state.step)
    return TransferResult(images, tuple(traces), evaluate(problem, images))


def at_side(
    content: Float[Array, "n h w c"],
    styles: Sequence[Float[ArrayLike, "_ _ _ _"]],
    regions: Sequence[Float[ArrayLike, "_ _ _"] | None] | None,
    side: int,
) -> tuple[Array, tuple[list[Array], Sequence[Array | None] | None]]:
    """Content, styles and regions for a size: all shrunk by the factor that gives the content this short side.

    Example:
        >>> content, (styles, regions) = at_side(jnp.ones((1, 8, 16, 3)), [jnp.ones((1, 12, 12, 3))], None, 4)
        >>> content.shape, styles[0].shape, regions
        ((1, 4, 8, 3), (1, 6, 6, 3), None)
    """
    h, w = content.shape[1:3]
    factor = side / min(h, w)
    size = _scaled((h, w), factor)
    smaller = [_resized(jnp.asarray(style), _scaled(jnp.shape(style)[1:3], factor)) for style in styles]
    # None, for everywhere, is no leaf.
    confined = jax.tree.map(lambda region: _resized(jnp.asarray(region)[..., None], size)[..., 0], regions)
    return _resized(content, size), (smaller, confined)


def rescaled(state: PixelState, size: tuple[int, int]) -> PixelState:
    """A run at another size: its images, and everything of that shape in the optimiser, resized.

    Args:
        state: of `pixels.advance`.
        size: `(height, width)`.

    Returns:
        A state that a problem of that size goes on with. Second moments stay positive, as bilinear weights are.

    Example:
        >>> from jaxvision.pixels import PixelProblem
        >>> square = lambda images: (jnp.sum(images**2, axis=(1, 2, 3)), {})
        >>> state = start(PixelProblem(square, optax.adam(0.1)), jnp.ones((1, 4, 6, 3)))
        >>> larger = rescaled(state, (8, 12))
        >>> larger.images.shape, larger.optimizer_state[0].mu.shape
        ((1, 8, 12, 3), (1, 8, 12, 3))
    """
    shape = state.images.shape

    def resized(leaf: Array) -> Array:
        if leaf.shape[:1] != shape[:1] or leaf.shape[-3:] != shape[1:]:
            return leaf
        flat = leaf.reshape(-1, *shape[1:])
        return _resized(flat, size).reshape(*leaf.shape[:-3], *size, shape[-1])

    return state._replace(
        images=_resized(state.images, size), optimizer_state=jax.tree.map(resized, state.optimizer_state)
    )


def _scaled(size: tuple[int, ...], factor: float) -> tuple[int, int]:
    height, width = (max(1, round(factor * side)) for side in size)
    return height, width


def _resized(images: Array, size: tuple[int, int]) -> Array:
    return images if images.shape[1:3] == size else resize(images, size)
