r"""Self-critical training: the captioner says captions, and learns from how well each does beside the others.

The gradient of the expected reward needs no derivative of the reward:

$$ \nabla_\theta \, \mathbb{E}_{w \sim q_\theta} [r(w)] = \mathbb{E}_{w \sim q_\theta} [(r(w) - b) \, \nabla_\theta
   \log q_\theta(w)], $$

for any b that does not depend on w. $q$ is what captions are drawn from: the captioner's distribution over the words
that may be chosen, $q(v) \propto p(v) \, [v \text{ may be chosen}]$. Sampling, baseline, reward and loss are one
program.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvision.captioning.decoding import NEVER_CHOSEN, one_by_one
from jaxvision.captioning.rewards import RewardFn
from jaxvision.captioning.steps import Words, check_step, log_softmax, may_be_chosen, of_captions
from jaxvision.captioning.vocabulary import END, NULL, START
from jaxvision.errors import InputError
from jaxvision.pixels import Keys, example_keys, pytree_function


@runtime_checkable
class CaptionModel(Protocol):
    """What is trained: `Captioner`, `AttentionCaptioner`, or a pytree like them."""

    def __call__(self, features: Any, tokens: Any, /) -> Any:
        """Features of images and tokens `(N, T)` to logits `(N, T, V)`."""
        ...

    def start(self, features: Any, /) -> Any:
        """The carry before the first word."""
        ...

    def step(self, carry: Any, tokens: Any, /) -> tuple[Any, Any]:
        """Reads a word and scores the next."""
        ...


class Attempts(NamedTuple):
    """Captions that were drawn, and what they are worth.

    Attributes:
        tokens: `(N, K, T)`, K captions of each image, the words after START with END where there is one, then NULL.
        rewards: `(N, K)`.
        baselines: `(N, K)`: the reward of the greedy caption, or the mean of the image's other captions.
    """

    tokens: Int[Array, "n k t"]
    rewards: Float[Array, "n k"]
    baselines: Float[Array, "n k"]


def self_critical_loss(
    model: CaptionModel,
    features: Float[Array, "n ..."],
    key: Keys,
    reward_fn: RewardFn,
    *,
    max_length: int,
    num_samples: int = 1,
    forbidden: tuple[int, ...] = NEVER_CHOSEN,
) -> tuple[Float[Array, ""], Attempts]:
    r"""A loss whose gradient is that of the expected reward, downwards, from captions drawn here.

    $$ L = -\frac{1}{N K} \sum_{n, k} (r(w_{nk}) - b_{nk}) \log q(w_{nk}) $$

    Args:
        model: a `Captioner`, an `AttentionCaptioner`, or another with their three functions.
        features: of N images, `(N, D)` or `(N, L, D)`.
        key: as in `sample`.
        reward_fn: tokens `(N, T)`, a caption for each image, to rewards `(N,)`; such as `cider_reward`.
        max_length: T, words at most, END among them.
        num_samples: K; with one, the baseline is the greedy caption's reward, with more, the mean of the others'.
        forbidden: words never chosen.

    Returns:
        A scalar, and the captions with their rewards: `jax.grad(self_critical_loss, has_aux=True)`.

    Raises:
        InputError: if arguments do not fit, see `attempt`.

    Example:
        >>> from jaxvision.captioning import captioner
        >>> model = captioner(jax.random.key(0), feature_size=3, vocabulary_size=7, embed_size=2, hidden_size=4)
        >>> short = lambda tokens: -jnp.sum(tokens != NULL, axis=1).astype(jnp.float32)
        >>> loss, attempts = self_critical_loss(model, jnp.ones((2, 3)), jax.random.key(1), short, max_length=5)
        >>> attempts.tokens.shape, attempts.rewards.shape
        ((2, 1, 5), (2, 1))

    References:
        Rennie et al., "Self-critical sequence training for image captioning", https://arxiv.org/abs/1612.00563, 2017,
        equations 8 and 9. Luo, "A better variant of self-critical sequence training",
        https://arxiv.org/abs/2003.09971, 2020, equation 6: the mean of the others.
    """
    attempts = attempt(
        model, features, key, reward_fn, max_length=max_length, num_samples=num_samples, forbidden=forbidden
    )
    n, k, length = attempts.tokens.shape
    repeated = features if k == 1 else jnp.repeat(features, k, axis=0)
    advantages = (attempts.rewards - attempts.baselines).reshape(n * k)
    tokens = attempts.tokens.reshape(n * k, length)
    return policy_gradient_loss(model, repeated, tokens, advantages, forbidden=forbidden), attempts


def policy_gradient_loss(
    model: Callable[[Array, Array], Array],
    features: Float[Array, "n ..."],
    tokens: Int[Array, "n t"],
    advantages: Float[Array, " n"],
    *,
    forbidden: tuple[int, ...] = NEVER_CHOSEN,
) -> Float[Array, ""]:
    r"""Of given captions, each with what it was worth more than expected.

    $$ L = -\frac1N \sum_n A_n \sum_t \log q(w_{nt} | w_{n1}, \dots, w_{n,t-1}) $$

    Args:
        model: `(features, tokens) -> logits (N, T, V)`.
        features: of N images.
        tokens: `(N, T)`, as the decoders return them.
        advantages: `(N,)`, $A$; no gradient goes through them.
        forbidden: words that were not chosen from.

    Returns:
        A scalar.

    Example:
        >>> model = lambda features, tokens: jnp.zeros((*tokens.shape, 7))
        >>> policy_gradient_loss(model, jnp.ones((1, 3)), jnp.array([[4, 2, 0]]), jnp.ones(1)) / jnp.log(2.0)
        Array(4., dtype=float32)

    References:
        Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning",
        Machine Learning 8, 1992.
    """
    read = jnp.concatenate([jnp.full_like(tokens[:, :1], START), tokens[:, :-1]], axis=1)
    logits = model(features, read)  # (N, T, V)
    n, length, n_words = logits.shape
    log_q = _log_q(logits.reshape(n * length, n_words), Words(START, END, NULL, tuple(forbidden)))
    counts = tokens != NULL
    of_words = jnp.take_along_axis(log_q, jnp.where(counts, tokens, END).reshape(-1, 1), axis=1).reshape(n, length)
    log_probs = jnp.sum(jnp.where(counts, of_words, 0.0), axis=1)
    return -jnp.mean(jax.lax.stop_gradient(advantages) * log_probs)


def attempt(
    model: CaptionModel,
    features: Float[Array, "n ..."],
    key: Keys,
    reward_fn: RewardFn,
    *,
    max_length: int,
    num_samples: int = 1,
    forbidden: tuple[int, ...] = NEVER_CHOSEN,
) -> Attempts:
    """Draws captions and rewards them; no gradient goes through.

    With one caption an image, the greedy ones are said in the same loop, as further rows of a batch.

    Args:
        model: as in `self_critical_loss`.
        features: of N images.
        key: one key or N, as in `sample`; with one caption an image these are the captions that it draws.
        reward_fn: as in `self_critical_loss`.
        max_length: T.
        num_samples: K.
        forbidden: words never chosen.

    Returns:
        The captions, their rewards, and what they are compared with.

    Raises:
        InputError: if there is no caption to draw, or model, features, key or length do not fit.

    Example:
        >>> from jaxvision.captioning import captioner
        >>> model = captioner(jax.random.key(0), feature_size=3, vocabulary_size=7, embed_size=2, hidden_size=4)
        >>> count = lambda tokens: jnp.sum(tokens == 5, axis=1).astype(jnp.float32)
        >>> attempt(model, jnp.ones((2, 3)), jax.random.key(1), count, max_length=5, num_samples=4).rewards.shape
        (2, 4)
    """
    if num_samples < 1:
        raise InputError(f"num_samples must be a number of captions of at least 1, got {num_samples}")
    words = Words(START, END, NULL, tuple(forbidden))
    model, features = jax.lax.stop_gradient((model, features))
    step, carry = pytree_function(model.step), model.start(features)
    n, _, dtype = check_step(step, carry, words, max_length)
    rows = max(num_samples, 2)  # of an image: the captions drawn, and with one of them the greedy one
    of_rows: Any = example_keys(key, n)
    if num_samples > 1:
        of_rows = jax.vmap(lambda key: jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(rows)))(of_rows)
    of_rows = of_rows.reshape(n, num_samples)

    def choose(log_p: Array, position: Array) -> Array:
        noise = jax.vmap(jax.vmap(lambda key: _noise(key, position, log_p.shape[1], dtype)))(of_rows)  # (N, K, V)
        if num_samples == 1:
            noise = jnp.concatenate([noise, jnp.zeros_like(noise)], axis=1)
        return jnp.argmax(log_p + noise.reshape(n * rows, -1), axis=1)

    said = one_by_one(
        step,
        of_captions(lambda leaf: jnp.repeat(leaf, rows, axis=0), carry),
        choose,
        words=words,
        max_length=max_length,
    )
    tokens = said.tokens.reshape(n, rows, max_length)
    rewards = jax.lax.stop_gradient(jax.vmap(pytree_function(reward_fn), in_axes=1, out_axes=1)(tokens))
    if num_samples == 1:
        return Attempts(tokens[:, :1], rewards[:, :1], rewards[:, 1:])
    others = (jnp.sum(rewards, axis=1, keepdims=True) - rewards) / jnp.asarray(num_samples - 1, rewards.dtype)
    return Attempts(tokens, rewards, others)


def _noise(key: Key[Array, ""], position: Array, n_words: int, dtype: Any) -> Array:
    """As `sample` has it: the largest of log p + noise is a word drawn from p."""
    return jax.random.gumbel(jax.random.fold_in(key, position), (n_words,), dtype)


def _log_q(logits: Array, words: Words) -> Array:
    return log_softmax(jnp.where(may_be_chosen(logits.shape[1], words), logits, -jnp.inf))
