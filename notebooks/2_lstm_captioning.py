# %% [markdown]
# # 2. Captions with an LSTM
#
# The second exercise of CS231n's assignment 3 (Spring 2017): the captioner of the [first](1_rnn_captioning.ipynb) with
# a recurrent layer that keeps a memory. The blanks are filled in below in JAX, each followed by a check that prints its
# relative error beside what is expected; the published values are those that the assignment's notebook prints.
#
# The derivation, and why the memory helps, are in the [tutorial](../docs/tutorials/lstm.md). Needs no network and no
# files. Set the sizes in the next cell.

# %%
import textwrap
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from lab import check, numerical_gradient, ramp, share_true, show

from experiments import caption_data, captioner_files
from experiments.captioners import moments
from jaxvision import cs231n
from jaxvision import numpy_reference as reference

N_SCENES = 50  # to be learned by heart, as in the assignment
N_EPOCHS = 50
HIDDEN_SIZE, EMBED_SIZE = 256, 128  # the assignment: 512 and 256

jax.config.update("jax_enable_x64", True)  # float64 as in NumPy, to meet values printed with eight decimals

# %% [markdown]
# ## One step
#
# One product makes four vectors of size $H$, in the assignment's order $i, f, o, g$. The first three are gates between
# 0 and 1, the last is what may be written:
#
# $$ c_t = f \odot c_{t-1} + i \odot g, \qquad h_t = o \odot \tanh(c_t) $$


# %%
def gates(x, prev_h, Wx, Wh, b):
    i, f, o, g = jnp.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)  # (N, H) each
    return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jax.nn.sigmoid(o), jnp.tanh(g)


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = gates(x, prev_h, Wx, Wh, b)
    next_c = f * prev_c + i * g
    return o * jnp.tanh(next_c), next_c


inputs = (
    ramp(-0.4, 1.2, (3, 4)),
    ramp(-0.3, 0.7, (3, 5)),
    ramp(-0.4, 0.9, (3, 5)),
    ramp(-2.1, 1.3, (4, 20)),
    ramp(-0.7, 2.2, (5, 20)),
    ramp(0.3, 0.7, (20,)),
)
printed_h = [
    [0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904],
    [0.49223563, 0.55611431, 0.61507696, 0.66844003, 0.7159181],
    [0.56735664, 0.66310127, 0.74419266, 0.80889665, 0.858299],
]
printed_c = [
    [0.32986176, 0.39145139, 0.451556, 0.51014116, 0.56717407],
    [0.66382255, 0.76674007, 0.87195994, 0.97902709, 1.08751345],
    [0.74192008, 0.90592151, 1.07717006, 1.25120233, 1.42395676],
]
arguments = tuple(map(jnp.asarray, inputs))
next_h, next_c = lstm_step_forward(*arguments)
theirs_h, theirs_c = cs231n.lstm_step_forward(*arguments)
check("next_h, published", next_h, printed_h, at_most=1e-7)
check("next_c, published", next_c, printed_c, at_most=1e-7)
check("next_h, jaxvision", next_h, theirs_h, at_most=1e-12)
check("next_c, jaxvision", next_c, theirs_c, at_most=1e-12)

# %% [markdown]
# ## One step back
#
# Two derivatives come in, of the state and of the memory. The state was read off the memory, so the memory's derivative
# has to be completed before it is handed to what the memory is made of. Nothing of the forward pass is kept: the gates
# are computed once more.


# %%
def lstm_step_backward(dnext_h, dnext_c, x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = gates(x, prev_h, Wx, Wh, b)
    tanh_c = jnp.tanh(f * prev_c + i * g)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    of_gates = dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * tanh_c * o * (1 - o), dc * i * (1 - g**2)
    da = jnp.concatenate(of_gates, axis=1)  # (N, 4H)
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


rng = np.random.default_rng(0)
dnext_h, dnext_c = jnp.asarray(rng.normal(size=(2, *next_h.shape)))
by_hand = lstm_step_backward(dnext_h, dnext_c, *arguments)
for i, (name, derivative) in enumerate(zip(("dx", "dprev_h", "dprev_c", "dWx", "dWh", "db"), by_hand, strict=True)):

    def loss(value, i=i):
        h, c = lstm_step_forward(*arguments[:i], value, *arguments[i + 1 :])
        return jnp.sum(dnext_h * h) + jnp.sum(dnext_c * c)

    check(f"{name}, central differences", derivative, numerical_gradient(loss, arguments[i]), at_most=1e-6)

# %% [markdown]
# ## Through time
#
# The memory begins at zero and never leaves the layer: only the states come out, so only they bring a derivative in
# from above. Between steps, back in time, both are handed on.


# %%
def lstm_states(x, h0, Wx, Wh, b):
    def step(carry, x_t):
        carry = lstm_step_forward(x_t, *carry, Wx, Wh, b)
        return carry, carry

    h, c = jax.lax.scan(step, (h0, jnp.zeros_like(h0)), x.swapaxes(0, 1))[1]
    return h.swapaxes(0, 1), c.swapaxes(0, 1)  # (N, T, H) each


def lstm_forward(x, h0, Wx, Wh, b):
    return lstm_states(x, h0, Wx, Wh, b)[0]


def lstm_backward(dh, x, h0, Wx, Wh, b):
    h, c = lstm_states(x, h0, Wx, Wh, b)
    prev_h = jnp.concatenate([h0[:, None], h[:, :-1]], axis=1)
    prev_c = jnp.concatenate([jnp.zeros_like(h0)[:, None], c[:, :-1]], axis=1)

    def step(carry, at):
        dnext_h, dnext_c, *totals = carry
        dh_t, x_t, h_t, c_t = at
        dx_t, dh_t, dc_t, *dweights = lstm_step_backward(dh_t + dnext_h, dnext_c, x_t, h_t, c_t, Wx, Wh, b)
        return (dh_t, dc_t, *(total + d for total, d in zip(totals, dweights, strict=True))), dx_t

    by_time = [array.swapaxes(0, 1) for array in (dh, x, prev_h, prev_c)]
    nothing = tuple(jnp.zeros_like(array) for array in (h0, h0, Wx, Wh, b))
    (dh0, _, *dweights), dx = jax.lax.scan(step, nothing, by_time, reverse=True)
    return dx.swapaxes(0, 1), dh0, *dweights


inputs = (
    ramp(-0.4, 0.6, (2, 3, 5)),
    ramp(-0.4, 0.8, (2, 4)),
    ramp(-0.2, 0.9, (5, 16)),
    ramp(-0.3, 0.6, (4, 16)),
    ramp(0.2, 0.7, (16,)),
)
printed_h = [
    [
        [0.01764008, 0.01823233, 0.01882671, 0.0194232],
        [0.11287491, 0.12146228, 0.13018446, 0.13902939],
        [0.31358768, 0.33338627, 0.35304453, 0.37250975],
    ],
    [
        [0.45767879, 0.4761092, 0.4936887, 0.51041945],
        [0.6704845, 0.69350089, 0.71486014, 0.7346449],
        [0.81733511, 0.83677871, 0.85403753, 0.86935314],
    ],
]
arguments = tuple(map(jnp.asarray, inputs))
h = lstm_forward(*arguments)
check("h, published", h, printed_h, at_most=2e-7)
check("h, jaxvision", h, cs231n.lstm_forward(*arguments), at_most=1e-12)

dh = jnp.asarray(rng.normal(size=h.shape))
by_hand = lstm_backward(dh, *arguments)
derived = jax.vjp(lstm_forward, *arguments)[1](dh)
in_numpy = reference.lstm_backward(np.asarray(dh), reference.lstm_forward(*inputs)[1])
for name, ours, ad, theirs in zip(("dx", "dh0", "dWx", "dWh", "db"), by_hand, derived, in_numpy, strict=True):
    check(f"{name}, jax.vjp", ours, ad, at_most=1e-9)
    check(f"{name}, NumPy", ours, theirs, at_most=1e-9)

# %% [markdown]
# ## The whole captioner
#
# As before, with the other layer in the middle and four times as many columns in `Wx`, `Wh` and `b`.


# %%
def captioning_loss(params, features, captions, null=0):
    h0 = features @ params["W_proj"] + params["b_proj"]  # (N, H)
    h = lstm_forward(params["W_embed"][captions[:, :-1]], h0, params["Wx"], params["Wh"], params["b"])  # (N, T, H)
    log_p = jax.nn.log_softmax(h @ params["W_vocab"] + params["b_vocab"])  # (N, T, V)
    targets = captions[:, 1:]
    of_word = jnp.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]  # (N, T)
    return -jnp.sum((targets != null) * of_word) / len(captions)


def shapes_of(n_features, n_words, embed_size, hidden_size, n_gates):
    columns = n_gates * hidden_size
    shapes = {"W_embed": (n_words, embed_size), "W_proj": (n_features, hidden_size), "b_proj": (hidden_size,)}
    shapes |= {"Wx": (embed_size, columns), "Wh": (hidden_size, columns), "b": (columns,)}
    return shapes | {"W_vocab": (hidden_size, n_words), "b_vocab": (n_words,)}


params = {name: jnp.asarray(ramp(-1.4, 1.3, shape)) for name, shape in shapes_of(20, 3, 30, 40, 4).items()}
features, captions = jnp.asarray(ramp(-0.5, 1.7, (10, 20))), (jnp.arange(130) % 3).reshape(10, 13)
loss = captioning_loss(params, features, captions)
check("loss, published", loss, 9.82445935443, at_most=1e-10)
check("loss, jaxvision", loss, cs231n.captioning_loss(params, features, captions, cell_type="lstm"), at_most=1e-12)

# %% [markdown]
# ## Fifty captions by heart
#
# The same fifty scenes as in the first notebook, the same optimiser and number of updates, once with each layer. From
# here on numbers are float32.

# %%
jax.config.update("jax_enable_x64", False)
data = caption_data.scenes(n_train=N_SCENES, n_held_out=100, max_length=24)
train, unseen, vocabulary = caption_data.fewer(data.train, N_SCENES), data.held_out, data.vocabulary
mean, deviation = moments(train.features)
features = jnp.asarray((train.features - mean) / deviation)  # (N, D)
captions = jnp.asarray(train.tokens)  # (N, T): START, words, END, then NULL
optimizer = optax.adam(5e-3)


def train_by_heart(loss_fn, n_gates):
    shapes = shapes_of(features.shape[1], len(vocabulary), EMBED_SIZE, HIDDEN_SIZE, n_gates)
    rng = np.random.default_rng(0)
    spread = {name: shape[0] ** -0.5 if len(shape) > 1 else 0.0 for name, shape in shapes.items()}  # of biases: none
    params = {name: jnp.asarray(spread[name] * rng.normal(size=shapes[name]), jnp.float32) for name in shapes}

    @jax.jit
    def update(params, state, rows):
        loss, gradients = jax.value_and_grad(loss_fn)(params, features[rows], captions[rows])
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, loss

    state, losses = optimizer.init(params), []
    for _ in range(N_EPOCHS):
        for rows in np.split(rng.permutation(N_SCENES), 2):  # two batches of 25
            params, state, loss = update(params, state, rows)
            losses.append(float(loss))
    return params, losses


params, losses = train_by_heart(captioning_loss, n_gates=4)
_, of_rnn = train_by_heart(partial(cs231n.captioning_loss, cell_type="rnn"), n_gates=1)
plt.figure(figsize=(5, 2.6), layout="constrained")
plt.semilogy(losses, label="LSTM")
plt.semilogy(of_rnn, label="vanilla RNN", color="0.6")
plt.xlabel("update")
plt.ylabel("loss, nats a caption")
plt.legend(frameon=False)
plt.show()
print(f"LSTM {losses[0]:.1f} -> {losses[-1]:.3f}, RNN {of_rnn[0]:.1f} -> {of_rnn[-1]:.3f}")
assert losses[-1] < 1

# %% [markdown]
# ## Saying it
#
# The state that goes from word to word is now a pair. What is said of the fifty scenes, against the library's sampling:


# %%
def caption_sample(params, features, start=1, max_length=24):
    def step(carry, _):
        h, c, word = carry
        h, c = lstm_step_forward(params["W_embed"][word], h, c, params["Wx"], params["Wh"], params["b"])
        word = jnp.argmax(h @ params["W_vocab"] + params["b_vocab"], axis=1)
        return (h, c, word), word

    h0 = features @ params["W_proj"] + params["b_proj"]
    begin = h0, jnp.zeros_like(h0), jnp.full(len(features), start)
    return jax.lax.scan(step, begin, length=max_length)[1].T  # (N, max_length)


learned = caption_sample(params, features)
theirs = cs231n.caption_sample(params, features, cell_type="lstm", start=1, max_length=24)
assert (learned == theirs).mean() > 0.99, "the library says other words"
said, right = vocabulary.decode(np.asarray(learned)), vocabulary.decode(train.tokens)
print(f"{sum(a == b for a, b in zip(said, right, strict=True))} of {N_SCENES} captions come back word for word")

# %% [markdown]
# ## A captioner that has seen enough
#
# The exercise ends with: train a good one. `checkpoints/captioner_scenes.safetensors` is this network after 20,000
# updates on 60,000 scenes. A scene can be asked whether a caption of it is true, claim by claim, so that there is a
# number for what the eye sees: what each captioner claims of a hundred scenes that neither was shown.

# %%
guessed = caption_sample(params, jnp.asarray((unseen.features - mean) / deviation))
by_heart = vocabulary.decode(np.asarray(guessed))
trained = captioner_files.load_captioner(captioner_files.EMBEDDED)
greedy, beam = (trained.captions(unseen.features, decoder) for decoder in ("greedy", "beam"))
shares = [100 * share_true(captions, data.scenes) for captions in (by_heart, greedy, beam)]
print("true: by heart {:.0f} %, trained, greedy {:.0f} %, trained, beam search {:.0f} %".format(*shares))
assert shares[2] > shares[0] + 20
texts = [
    textwrap.fill(f"fifty: {few}", 28) + "\n" + textwrap.fill(f"60,000: {many}", 28)
    for few, many in zip(by_heart[:8], beam[:8], strict=True)
]
show([unseen.image(i) for i in range(8)], texts, columns=4, width=2.0)

# %% [markdown]
# Below each scene, first the network that knows fifty scenes by heart, then the one that has seen 60,000.
#
# **Questions.** Which entries of `b` would you set before training to keep the memory open, and what does it do to the
# curve above? Beam search finds likelier captions than greedy decoding: are they better ones?
# `python -m experiments.caption` is the whole training, with the scores of captions against people's.
