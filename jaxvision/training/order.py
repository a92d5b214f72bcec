"""The order of examples, as a function of the step alone."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, UInt32

from jaxvision.errors import InputError

_ROUNDS = 6


def shuffled(
    key: Key[Array, ""], step: Int[Array, ""], *, batch_size: int, n_examples: int
) -> Int[Array, " batch_size"]:
    r"""The indices of a step's batch, when every epoch visits each example once in an order of its own.

    $$ i_j = \pi_e(p \bmod n), \qquad p = \text{step} \cdot b + j, \qquad e = \lfloor p / n \rfloor $$

    The permutation $\pi_e$ is evaluated only where it is asked for: a Feistel network over the next power of four,
    applied again until the value is below n. Nothing is stored and nothing sorted, so a resumed run finds its place
    from the step's number; a batch may begin in one epoch and end in the next.

    Args:
        key: the source of all permutations.
        step: int32 scalar; `step * batch_size + batch_size` must stay below 2^31.
        batch_size: b, examples in a batch.
        n_examples: n, examples in the data set.

    Returns:
        `(batch_size,)` int32 in `[0, n_examples)`.

    Raises:
        InputError: if there are no examples.

    Example:
        >>> batches = [shuffled(jax.random.key(0), jnp.int32(t), batch_size=4, n_examples=12) for t in range(3)]
        >>> sorted(jnp.concatenate(batches).tolist())
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]

    References:
        Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002,
        https://web.cs.ucdavis.edu/~rogaway/papers/subset.pdf, section 4 (the generalised Feistel method) and 3
        (cycle walking). Departure: the round function is an integer hash, fit for shuffling and for no secrets.
    """
    if n_examples < 1:
        raise InputError(f"expected n_examples of at least 1, got {n_examples}: there is nothing to shuffle")
    position = step * batch_size + jnp.arange(batch_size, dtype=jnp.int32)
    epoch = position // n_examples
    keys = jax.vmap(lambda e: jax.random.bits(jax.random.fold_in(key, e), (_ROUNDS,)))(epoch)
    half_bits = max(1, -(-(n_examples - 1).bit_length() // 2))
    return jax.vmap(lambda p, k: _permute(p, k, half_bits, n_examples))(position % n_examples, keys)


def _permute(position: Int[Array, ""], round_keys: UInt32[Array, " rounds"], half_bits: int, n: int) -> Int[Array, ""]:
    mask = jnp.uint32(2**half_bits - 1)

    def network(value: UInt32[Array, ""]) -> UInt32[Array, ""]:
        left, right = value >> half_bits, value & mask
        for index in range(_ROUNDS):
            left, right = right, left ^ (_mix(right ^ round_keys[index]) & mask)
        return (left << half_bits) | right

    # At most four values to one wanted, so the walk is short; it ends because the network is a permutation.
    walked = jax.lax.while_loop(lambda value: value >= n, network, network(position.astype(jnp.uint32)))
    return walked.astype(jnp.int32)


def _mix(value: UInt32[Array, ""]) -> UInt32[Array, ""]:
    """An invertible 32-bit hash in which every input bit moves about half of the output bits."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        value = (value ^ (value >> shift)) * jnp.uint32(factor)
    return value ^ (value >> 16)
