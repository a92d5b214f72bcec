"""DDN: a small perturbation in L2, whose direction and length are learnt apart."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.adversarial.annealing import annealed
from jaxvision.adversarial.ascent import l2_ascent
from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds, check_budgets, check_known
from jaxvision.adversarial.losses import cross_entropy_loss
from jaxvision.adversarial.nearest import choose, keep_nearer
from jaxvision.adversarial.pgd import AttackResult
from jaxvision.adversarial.sizes import l2_size, or_one, over_images
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, in_chunks, margin, pytree_function
from jaxvision.signatures import LogitsFn

LAST_STEP = 0.01  # of the first step


def ddn(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    n_steps: int = 100,
    initial_eps: ArrayLike = 1.0,
    gamma: ArrayLike = 0.05,
    step_size: ArrayLike = 1.0,
    targeted: bool = False,
    bounds: Bounds = (0.0, 1.0),
) -> AttackResult:
    r"""Follow the gradient on a sphere that shrinks while the image is adversarial and grows while it is not.

    $$ \delta' = \delta_t + \alpha_t \frac{g_t}{\lVert g_t \rVert_2}, \qquad
       \epsilon_{t+1} = (1 \mp \gamma)\, \epsilon_t, \qquad
       x_{t+1} = \operatorname{clip}\Bigl(x_{\text{clean}} + \epsilon_{t+1} \frac{\delta'}{\lVert \delta' \rVert_2},
       \; l,\; h\Bigr) $$

    $\epsilon$ shrinks where $x_t$ is adversarial; $\alpha_t$ falls to a hundredth along half a cosine. The nearest
    adversarial image on the way is kept. One program, a pass forward and backward for each step and one forward at the
    end; its memory does not depend on the number of steps.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`: the true classes, or the targets where `targeted`.
        n_steps: steps.
        initial_eps: $\epsilon_0$, in the images' unit: a number, or one for each image `(N,)`.
        gamma: $\gamma$, above 0 and below 1: a number, or one for each image.
        step_size: $\alpha_0$, in the images' unit: a number, or one for each image.
        targeted: reach the target in place of leaving the label.
        bounds: $l$ and $h$, numbers or one for each channel `(C,)`.

    Returns:
        Images, success, `margin_loss` and Euclidean size. An image that is adversarial already, or for which nothing
        was found, is returned as it is.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> logits_fn = lambda images: jnp.stack([images[:, 0, 0, 0], images[:, 0, 1, 0]], axis=1)
        >>> image = jnp.array([0.75, 0.25]).reshape(1, 1, 2, 1)  # the boundary is where both are 0.5
        >>> result = ddn(logits_fn, image, jnp.array([0]), initial_eps=0.4, gamma=0.01)
        >>> [round(value, 2) for value in result.images.ravel().tolist()], result.success
        ([0.5, 0.5], Array([ True], dtype=bool))

    References:
        Rony et al., "Decoupling direction and norm for efficient gradient-based L2 adversarial attacks and defenses",
        https://arxiv.org/abs/1811.09600, 2018, algorithm 1. Departures: no rounding to bytes; the last image counts as
        well; $\epsilon$ is at most the distance to the farthest image within the bounds, as in Foolbox.
    """
    images, labels = check_attacked(logits_fn, images, labels)
    if n_steps < 1:
        raise InputError(f"expected n_steps of at least 1, got {n_steps}")
    check_known("gamma", gamma, "above 0 and below 1", lambda x: (x > 0) & (x < 1))
    problem = _Problem(pytree_function(logits_fn), check_bounds(images, bounds), n_steps)
    budgets = {"initial_eps": initial_eps, "gamma": gamma, "step_size": step_size}
    arrays = [check_budgets(value, images, name) for name, value in budgets.items()]
    return jax.lax.stop_gradient(_ddn(targeted, problem, images, labels, *arrays))


class _Problem(NamedTuple):
    """Operands of the program, the same for all images."""

    logits_fn: LogitsFn
    bounds: tuple[Array, Array]
    n_steps: ArrayLike


class _State(NamedTuple):
    step: Int[Array, ""]
    images: Float[Array, "n h w c"]
    eps: Float[Array, " n"]
    best: AttackResult


@functools.partial(jax.jit, static_argnums=0)
def _ddn(
    targeted: bool,
    problem: _Problem,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    eps: Float[Array, " n"],
    gamma: Float[Array, " n"],
    rates: Float[Array, " n"],
) -> AttackResult:
    problem, images, eps, gamma, rates = jax.lax.stop_gradient((problem, images, eps, gamma, rates))
    return in_chunks(functools.partial(_descend, targeted, problem), images, labels, eps, gamma, rates)


def _descend(
    targeted: bool, problem: _Problem, clean: Array, labels: Array, eps: Array, gamma: Array, rates: Array
) -> AttackResult:
    (low, high), n_steps, sign = problem.bounds, problem.n_steps, (-1 if targeted else 1)
    farthest = l2_size(jnp.maximum(clean - low, high - clean))

    def judge(images: Array) -> tuple[Array, AttackResult]:
        logits = problem.logits_fn(images)
        lead = margin(logits, labels)
        found = AttackResult(images, sign * lead < 0, -lead, l2_size(images - clean))
        return sign * cross_entropy_loss(logits, labels), found

    def step(state: _State) -> _State:
        losses, pull_back, found = jax.vjp(judge, state.images, has_aux=True)
        (gradient,) = pull_back(jnp.ones_like(losses))  # each image's own: image i alone moves loss i
        rate = annealed(state.step, n_steps, rates, LAST_STEP * rates)
        moved = state.images - clean + over_images(rate) * l2_ascent(gradient, low - state.images, high - state.images)
        eps = jnp.minimum(state.eps * jnp.where(found.success, 1 - gamma, 1 + gamma), farthest)
        images = jnp.clip(clean + over_images(eps / or_one(l2_size(moved))) * moved, low, high)
        going = ~finished(state.best)
        first = state.step == 0  # before it nothing was judged: what is returned where nothing is found
        best = keep_nearer(choose(jnp.broadcast_to(first, going.shape), found, state.best), found)
        return _State(state.step + 1, choose(going, images, state.images), choose(going, eps, state.eps), best)

    def finished(best: AttackResult) -> Array:
        return best.success & (best.size == 0)  # nothing is nearer than the image itself

    def unfinished(state: _State) -> Array:
        return (state.step < n_steps) & ~jnp.all(finished(state.best))

    none = AttackResult(clean, jnp.zeros(len(clean), bool), jnp.zeros_like(eps), jnp.zeros_like(eps))
    state = jax.lax.while_loop(unfinished, step, _State(jnp.zeros((), jnp.int32), clean, eps, none))
    return keep_nearer(state.best, judge(state.images)[1])
