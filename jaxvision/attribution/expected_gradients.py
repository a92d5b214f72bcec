"""Expected gradients (GradientSHAP): integrated gradients, averaged over baselines instead of from one."""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, Int, Key, Num

from jaxvision.attribution.gradients import sum_over_points
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, Keys, check_images, check_labels, example_keys, in_chunks, pytree_function
from jaxvision.signatures import LogitsFn


def expected_gradients(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    baselines: Num[ArrayLike, "..."],
    *,
    key: Keys,
    n_samples: int = 50,
) -> Float[Array, "n h w c"]:
    r"""The way from a random baseline times the gradient of the class logit at a random point of it, on average.

    $$ A = \frac{1}{K} \sum_{k=1}^{K} (I - B_k) \odot \nabla s_y\bigl(B_k + \alpha_k (I - B_k)\bigr), \qquad
       B_k \sim \mathcal{U}\{\text{baselines}\}, \quad \alpha_k \sim \mathcal{U}[0, 1) $$

    In expectation an image's attributions add up to its logit less the mean logit of the baselines. The memory does not
    grow with the samples.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the program.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        baselines: `(B, H, W, C)` floats in the same range, for example images of the training set.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys; sample k folds in k.
        n_samples: $K$, a Python number.

    Returns:
        `(N, H, W, C)`, logits.

    Raises:
        InputError: if images, labels, baselines, keys or logits have the wrong shape, type or range, or `n_samples` is
            below 1.

    Example:
        >>> linear = lambda images: images.sum(axis=(1, 2)) * jnp.array([[3.0]])
        >>> image = jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1)
        >>> expected_gradients(linear, image, [0], image - 2, key=jax.random.key(0), n_samples=8).ravel()
        Array([6., 6.], dtype=float32)

    References:
        Erion et al., "Improving performance of deep learning models with axiomatic attribution priors and expected
        gradients", https://arxiv.org/abs/1906.10670, 2019, equation 3. The package of Lundberg and Lee, "A unified
        approach to interpreting model predictions", https://arxiv.org/abs/1705.07874, 2017, has it as
        GradientExplainer, Captum as GradientShap.
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    if n_samples < 1:
        raise InputError(f"n_samples must be 1 or more, got {n_samples}")
    baselines, keys = _check_baselines(baselines, images), example_keys(key, len(images))
    return _expected_gradients(pytree_function(logits_fn), images, labels, baselines, keys, n_samples=n_samples)


@functools.partial(jax.jit, static_argnames="n_samples")
def _expected_gradients(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    baselines: Float[Array, "b h w c"],
    keys: Key[Array, " n"],
    *,
    n_samples: int,
) -> Float[Array, "n h w c"]:
    def average(images: Array, labels: Array, keys: Array) -> Array:
        def sample(k: Array) -> tuple[Array, Array]:
            chosen, alpha = draw(keys, k, len(baselines), images.dtype)
            return baselines[chosen], alpha[:, None, None, None]

        def point(k: Array) -> Array:
            baseline, alpha = sample(k)
            return baseline + alpha * (images - baseline)

        def term(k: Array, gradient: Array) -> Array:
            baseline, _ = sample(k)
            return (images - baseline) * gradient

        return (sum_over_points(logits_fn, labels, point, term, n_samples) / n_samples).astype(images.dtype)

    return in_chunks(average, images, labels, keys)


def draw(
    keys: Key[Array, " n"], k: Int[ArrayLike, ""], n_baselines: int, dtype: DTypeLike
) -> tuple[Int[Array, " n"], Float[Array, " n"]]:
    r"""The k-th sample of each image: the number of its baseline, and $\alpha$.

    Args:
        keys: `(N,)`, one for each image.
        k: which sample.
        n_baselines: how many there are to choose from.
        dtype: of $\alpha$.

    Returns:
        `(N,)` in `[0, n_baselines)`, and `(N,)` in [0, 1).

    Example:
        >>> chosen, alphas = draw(example_keys(jax.random.key(0), 2), 0, 1, jnp.float32)
        >>> chosen, bool((alphas < 1).all())
        (Array([0, 0], dtype=int32), True)
    """

    def one(key: Array) -> tuple[Array, Array]:
        of_baseline, of_alpha = jax.random.split(jax.random.fold_in(key, k))
        chosen = jax.random.randint(of_baseline, (), 0, n_baselines, jnp.int32)
        return chosen, jax.random.uniform(of_alpha, (), dtype)

    return jax.vmap(one)(keys)


def _check_baselines(baselines: ArrayLike, images: Float[Array, "n h w c"]) -> Float[Array, "b h w c"]:
    """The baselines in the type of the images, or one sentence saying what is wrong with them."""
    array = jnp.asarray(baselines)
    if array.ndim != 4 or array.shape[1:] != images.shape[1:] or len(array) == 0:
        raise InputError(
            f"baselines must be one or more images of shape (B, {', '.join(map(str, images.shape[1:]))}), "
            f"got shape {array.shape}"
        )
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputError(f"baselines must be floats in the range of the images, got {array.dtype}")
    return array.astype(images.dtype)
