"""Mixed precision: a captioner that computes in bfloat16 and is kept, scored and trained in float32."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class InBfloat16(NamedTuple):
    """A captioner whose forward and backward passes are in bfloat16; to be trained like the captioner itself.

    Weights and features are rounded where they are used. Scores come back in float32, so softmax and loss are in it,
    and so are the gradients of the weights, which an optimiser adds to weights in float32.

    Attributes:
        model: a captioner in float32, a pytree with `__call__`, `start` and `step`.

    Example:
        >>> from jaxvision.captioning import captioner
        >>> model = captioner(jax.random.key(0), feature_size=4, vocabulary_size=9, embed_size=3, hidden_size=5)
        >>> loss = lambda model: jnp.sum(InBfloat16(model)(jnp.ones((2, 4)), jnp.array([[1, 5], [1, 7]])) ** 2)
        >>> jax.grad(loss)(model).W_embed.dtype, InBfloat16(model).start(jnp.ones((2, 4))).h.dtype
        (dtype('float32'), dtype(bfloat16))

    References:
        Micikevicius et al., "Mixed precision training", https://arxiv.org/abs/1710.03740, 2018, section 3.1. Departure:
        bfloat16 has float32's range, so the loss is not scaled.
    """

    model: Any

    def __call__(self, features: Float[Array, "n *d"], tokens: Int[Array, "n t"]) -> Float[Array, "n t v"]:
        """As of the model; float32."""
        return _rounded(self.model)(_rounded(features), tokens).astype(jnp.float32)

    def attend(
        self, features: Float[Array, "n l d"], tokens: Int[Array, "n t"]
    ) -> tuple[Float[Array, "n t v"], Float[Array, "n t l"]]:
        """As of a model that attends; float32."""
        logits, maps = _rounded(self.model).attend(_rounded(features), tokens)
        return logits.astype(jnp.float32), maps.astype(jnp.float32)

    def start(self, features: Float[Array, "n *d"]) -> Any:
        """As of the model; bfloat16."""
        return _rounded(self.model).start(_rounded(features))

    def step(self, carry: Any, tokens: Int[Array, " n"]) -> tuple[Any, Float[Array, "n v"]]:
        """As of the model; scores in float32, the carry in bfloat16."""
        carry, logits = _rounded(self.model).step(carry, tokens)
        return carry, logits.astype(jnp.float32)


def _rounded(tree: Any) -> Any:
    return jax.tree.map(lambda x: x.astype(jnp.bfloat16) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)
