"""Parameters of Flax and PyTorch give Flax's and PyTorch's states."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxvision import recurrent
from jaxvision.errors import InputError
from jaxvision.recurrent import GRUParams, LSTMState, RecurrentParams

N, T, D, H = 2, 4, 3, 5
X = np.random.default_rng(0).normal(size=(N, T, D)).astype(np.float32)
CELLS = {"rnn": (recurrent.rnn, 1), "lstm": (recurrent.lstm, 4), "gru": (recurrent.gru, 3)}
FLAX = {"rnn": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell}
TORCH = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
every_cell = pytest.mark.parametrize("name", CELLS)


def function(name, direction, library):
    return getattr(recurrent, f"{name}_{direction}_{library}")


def random_params(name):
    """Biases too: a wrong order of gates shows."""
    columns = CELLS[name][1] * H
    random = np.random.default_rng(1)
    draw = [jnp.asarray(random.normal(size=s), jnp.float32) for s in ((D, columns), (H, columns), (columns,), (H,))]
    return GRUParams(*draw) if name == "gru" else RecurrentParams(*draw[:3])


def without_second_bias(params):
    return params._replace(bh=jnp.zeros_like(params.bh)) if isinstance(params, GRUParams) else params


@pytest.mark.parametrize(
    "name", [pytest.param("rnn", marks=pytest.mark.slow), "lstm", pytest.param("gru", marks=pytest.mark.slow)]
)
def test_flax_cells_give_the_same_states(name):
    params = without_second_bias(random_params(name))
    cell = FLAX[name](D, H, rngs=nnx.Rngs(0))
    nnx.update(cell, nnx.State(jax.tree.map(nnx.Param, function(name, "to", "flax")(params))))
    h = jnp.full((N, H), 0.1)
    carry = (-2 * h, h) if name == "lstm" else h  # Flax carries (c, h)
    states = []
    for t in range(T):
        carry, y = cell(carry, jnp.asarray(X[:, t]))
        states.append(y)
    found, _ = CELLS[name][0](params, jnp.asarray(X), LSTMState(h, -2 * h) if name == "lstm" else h)
    np.testing.assert_allclose(found, jnp.stack(states, axis=1), rtol=1e-5, atol=1e-6)

    again = function(name, "from", "flax")(nnx.to_pure_dict(nnx.state(cell, nnx.Param)))
    jax.tree.map(np.testing.assert_array_equal, again, params)


@every_cell
def test_there_and_back(name):
    params = random_params(name)
    jax.tree.map(
        np.testing.assert_array_equal, function(name, "from", "torch")(function(name, "to", "torch")(params)), params
    )


@every_cell
def test_what_is_missing_is_named(name):
    state_dict = function(name, "to", "torch")(random_params(name))
    with pytest.raises(InputError, match="weight_ih_l3 is missing"):
        function(name, "from", "torch")(state_dict, layer=3)
    with pytest.raises(InputError, match=r"must have shape \(\d H, H\)"):
        function(name, "from", "torch")(state_dict | {"weight_hh_l0": jnp.ones((2 * H, H))})
    with pytest.raises(InputError, match=r"dense_.\.\w+ is missing"):
        function(name, "from", "flax")({"dense_i": {"kernel": X[0]}})


@pytest.mark.peers
@every_cell
@pytest.mark.parametrize("bias", [True, False])
def test_torch_layers_give_the_same_states_and_gradients(name, bias):
    torch = pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    torch.manual_seed(0)
    layers = getattr(torch.nn, TORCH[name])(D, H, num_layers=2, batch_first=True, bias=bias)
    x = torch.from_numpy(X).requires_grad_()
    expected, last = layers(x)
    (expected**2).sum().backward()
    arrays = {k: v.detach().numpy() for k, v in layers.state_dict().items()}
    params = [function(name, "from", "torch")(arrays, layer=k) for k in range(2)]

    def run(params, x):
        h, _ = CELLS[name][0](params[0], x)
        return CELLS[name][0](params[1], h)

    found, state = run(params, jnp.asarray(X))
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(jax.tree.leaves(state), last if name == "lstm" else [last], strict=True):
        np.testing.assert_allclose(ours, theirs[-1].detach().numpy(), rtol=1e-5, atol=1e-6)
    dparams, dx = jax.grad(lambda *a: jnp.sum(run(*a)[0] ** 2), argnums=(0, 1))(params, jnp.asarray(X))
    np.testing.assert_allclose(dx, x.grad.numpy(), rtol=1e-4, atol=1e-5)
    for key, value in function(name, "to", "torch")(dparams[0]).items():
        if key.startswith("weight"):
            np.testing.assert_allclose(value, getattr(layers, key).grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.peers
@every_cell
def test_torch_takes_our_parameters(name):
    torch = pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    params = random_params(name)
    layer = getattr(torch.nn, TORCH[name])(D, H, batch_first=True)
    tensors = {k: torch.from_numpy(np.array(v)) for k, v in function(name, "to", "torch")(params).items()}
    layer.load_state_dict(tensors)
    found = CELLS[name][0](params, jnp.asarray(X))[0]
    np.testing.assert_allclose(found, layer(torch.from_numpy(X))[0].detach().numpy(), rtol=1e-5, atol=1e-6)
