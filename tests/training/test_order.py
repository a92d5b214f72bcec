import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.training import shuffled


def stream(n_examples, batch_size, n_steps, seed=0):
    one = jax.jit(lambda t: shuffled(jax.random.key(seed), t, batch_size=batch_size, n_examples=n_examples))
    return np.concatenate([one(jnp.int32(t)) for t in range(n_steps)])


@pytest.mark.parametrize(("n", "b"), [(1, 1), (2, 3), (12, 4), (16, 4), (17, 5), (100, 32), (1025, 128)])
def test_every_epoch_visits_each_example_once(n, b):
    order = stream(n, b, -(-3 * n // b))
    for epoch in range(3):
        assert sorted(order[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_epochs_and_seeds_have_orders_of_their_own():
    first, second = stream(1000, 100, 20).reshape(2, 1000)
    other = stream(1000, 100, 10, seed=1)
    for a, b in [(first, second), (first, other), (first, np.arange(1000))]:
        assert np.mean(a == b) < 0.01  # about one in a thousand would meet by chance
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.15


def test_places_are_uniform():
    """Over 400 epochs of 8 examples, each example comes first, second, ... equally often (chi-squared, 49 degrees)."""
    counts = np.zeros((8, 8))
    order = stream(8, 8, 400, seed=3)
    np.add.at(counts, (np.tile(np.arange(8), 400), order), 1)
    assert np.sum((counts - 50) ** 2 / 50) < 85  # the 0.1 % point


def test_nothing_cannot_be_shuffled():
    with pytest.raises(InputError, match="at least 1, got 0"):
        shuffled(jax.random.key(0), jnp.int32(0), batch_size=4, n_examples=0)
