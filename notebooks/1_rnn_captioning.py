# %% [markdown]
# # 1. Captions with a vanilla RNN
#
# The first exercise of CS231n's assignment 3 (Spring 2017): a recurrent network that says what a picture shows, built
# layer by layer. Every blank of the exercise is filled in below, in JAX; after each, a check prints the relative error
# beside what is expected. To work through it yourself, empty a function's body, write your own and run the check.
#
# The derivations are in the [tutorial](../docs/tutorials/rnn.md); here is what they come to in code. Needs no network
# and no files: the pictures are scenes that the project draws itself. Set the sizes in the next cell.

# %%
import textwrap

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from lab import check, numerical_gradient, published, ramp, share_true, show

from experiments import caption_data
from experiments.captioners import moments
from jaxvision import cs231n
from jaxvision import numpy_reference as reference

N_SCENES = 50  # to be learned by heart, as in the assignment
N_EPOCHS = 50
HIDDEN_SIZE, EMBED_SIZE = 256, 128  # the assignment: 512 and 256

jax.config.update("jax_enable_x64", True)  # float64 as in NumPy, to meet values printed with eight decimals
answers = published(
    "captioning_rnn.json",
    "they are printed in the assignment's RNN_Captioning.ipynb, and NumPy's layers stand in for them below",
)

# %% [markdown]
# ## One step
#
# The state $h_t$ is made of the input $x_t$ and the state before:
#
# $$ h_t = \tanh(x_t W_x + h_{t-1} W_h + b) $$


# %%
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    return jnp.tanh(x @ Wx + prev_h @ Wh + b)  # (N, D), (N, H) -> (N, H)


inputs = (
    ramp(-0.4, 0.7, (3, 10)),
    ramp(-0.2, 0.5, (3, 4)),
    ramp(-0.1, 0.9, (10, 4)),
    ramp(-0.3, 0.7, (4, 4)),
    ramp(-0.2, 0.4, (4,)),
)
x, prev_h, Wx, Wh, b = map(jnp.asarray, inputs)
next_h = rnn_step_forward(x, prev_h, Wx, Wh, b)
check("next_h, jaxvision", next_h, cs231n.rnn_step_forward(x, prev_h, Wx, Wh, b), at_most=1e-12)
check("next_h, NumPy", next_h, reference.rnn_step_forward(*inputs)[0], at_most=1e-12)
if answers:
    check("next_h, published", next_h, answers["rnn_step_forward"]["expected"]["next_h"], at_most=1e-7)

# %% [markdown]
# ## One step back
#
# `jax.grad` would do; the exercise asks for it by hand. Through the tanh first, then to everything that the sum inside
# is made of. The numerical gradient knows nothing of that reasoning, and so it is what the result is held to.


# %%
def rnn_step_backward(dnext_h, x, prev_h, next_h, Wx, Wh):
    da = dnext_h * (1 - next_h**2)  # (N, H)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


rng = np.random.default_rng(0)
dnext_h = jnp.asarray(rng.normal(size=next_h.shape))
by_hand = rnn_step_backward(dnext_h, x, prev_h, next_h, Wx, Wh)
arguments = [x, prev_h, Wx, Wh, b]
for i, (name, derivative) in enumerate(zip(("dx", "dprev_h", "dWx", "dWh", "db"), by_hand, strict=True)):

    def loss(value, i=i):
        return jnp.sum(dnext_h * rnn_step_forward(*arguments[:i], value, *arguments[i + 1 :]))

    check(f"{name}, central differences", derivative, numerical_gradient(loss, arguments[i]), at_most=1e-6)

# %% [markdown]
# ## Through time
#
# A whole sequence is the step applied over and over. `jax.lax.scan` carries the state along and collects what each step
# returns; it wants time as the first axis.


# %%
def rnn_forward(x, h0, Wx, Wh, b):
    def step(h, x_t):
        h = rnn_step_forward(x_t, h, Wx, Wh, b)
        return h, h

    return jax.lax.scan(step, h0, x.swapaxes(0, 1))[1].swapaxes(0, 1)  # (N, T, D) -> (N, T, H)


inputs = (
    ramp(-0.1, 0.3, (2, 3, 4)),
    ramp(-0.3, 0.1, (2, 5)),
    ramp(-0.2, 0.4, (4, 5)),
    ramp(-0.4, 0.1, (5, 5)),
    ramp(-0.7, 0.1, (5,)),
)
x, h0, Wx, Wh, b = map(jnp.asarray, inputs)
h = rnn_forward(x, h0, Wx, Wh, b)
check("h, jaxvision", h, cs231n.rnn_forward(x, h0, Wx, Wh, b), at_most=1e-12)
check("h, NumPy", h, reference.rnn_forward(*inputs)[0], at_most=1e-12)
if answers:
    check("h, published", h, answers["rnn_forward"]["expected"]["h"], at_most=2e-7)

# %% [markdown]
# Back through time the same scan runs in reverse. A state is heard of twice, as an output and by the step after it, so
# the two derivatives add up; the weights are the same at every step, so theirs add up over time.


# %%
def rnn_backward(dh, x, h0, h, Wx, Wh):
    before = jnp.concatenate([h0[:, None], h[:, :-1]], axis=1)  # the state that each step began with

    def step(carry, at):
        dnext_h, *totals = carry
        dh_t, x_t, prev_h, next_h = at
        dx_t, dprev_h, *dweights = rnn_step_backward(dh_t + dnext_h, x_t, prev_h, next_h, Wx, Wh)
        return (dprev_h, *(total + d for total, d in zip(totals, dweights, strict=True))), dx_t

    by_time = [array.swapaxes(0, 1) for array in (dh, x, before, h)]
    nothing = (jnp.zeros_like(h0), jnp.zeros_like(Wx), jnp.zeros_like(Wh), jnp.zeros(Wh.shape[0]))
    (dh0, *dweights), dx = jax.lax.scan(step, nothing, by_time, reverse=True)
    return dx.swapaxes(0, 1), dh0, *dweights


dh = jnp.asarray(rng.normal(size=h.shape))
by_hand = rnn_backward(dh, x, h0, h, Wx, Wh)
derived = jax.vjp(rnn_forward, x, h0, Wx, Wh, b)[1](dh)
in_numpy = reference.rnn_backward(np.asarray(dh), reference.rnn_forward(*inputs)[1])
for name, ours, ad, theirs in zip(("dx", "dh0", "dWx", "dWh", "db"), by_hand, derived, in_numpy, strict=True):
    check(f"{name}, jax.vjp", ours, ad, at_most=1e-9)
    check(f"{name}, NumPy", ours, theirs, at_most=1e-9)

# %% [markdown]
# ## Words and scores
#
# A word is a row of a table. Its derivative puts each row's share back where it came from, and a word that comes twice
# collects twice: `.at[words].add`, never `.set`.


# %%
def word_embedding_forward(x, W):
    return W[x]  # (N, T) -> (N, T, D)


def word_embedding_backward(dout, x, W):
    return jnp.zeros_like(W).at[x].add(dout)


words, W = jnp.array([[0, 3, 1, 2], [2, 1, 0, 3]]), jnp.asarray(ramp(0, 1, (5, 3)))
out = word_embedding_forward(words, W)
check("out, jaxvision", out, cs231n.word_embedding_forward(words, W), at_most=0)
if answers:
    check("out, published", out, answers["word_embedding_forward"]["expected"]["out"], at_most=1e-7)
dout = jnp.asarray(rng.normal(size=out.shape))
dW = word_embedding_backward(dout, words, W)
check("dW, jax.vjp", dW, jax.vjp(lambda W: word_embedding_forward(words, W), W)[1](dout)[0], at_most=1e-12)

# %% [markdown]
# Scores are an affine map of the states, and the loss is the cross-entropy of each word, summed over time and averaged
# over the batch. What fills short captions is masked. Untrained, $V$ words are equally likely and each costs $\log V$:
# with ten words about 2.3, over ten steps about 23, and with nine of ten steps masked about 2.3 again.


# %%
def temporal_softmax_loss(x, y, mask):
    of_word = jnp.take_along_axis(jax.nn.log_softmax(x), y[..., None], axis=-1)[..., 0]  # (N, T)
    return -jnp.sum(mask * of_word) / len(x)


random = np.random.RandomState(231)  # the assignment's seed
for shape in ((2, 3, 4), (4, 5), (5,), (2, 3, 5)):  # what its notebook draws before
    random.randn(*shape)
printed = answers["temporal_softmax_loss"]["printed"] if answers else (None,) * 3
for (n, t, v, p), expected in zip(((100, 1, 10, 1.0), (100, 10, 10, 1.0), (5000, 10, 10, 0.1)), printed, strict=True):
    scores = 0.001 * random.randn(n, t, v)
    y, mask = random.randint(v, size=(n, t)), random.rand(n, t) <= p
    found = temporal_softmax_loss(jnp.asarray(scores), y, mask)
    said = f"loss {found:.4f} of {n} x {t}"
    check(f"{said}, NumPy", found, reference.temporal_softmax_loss(scores, y, mask)[0], at_most=1e-10)
    if expected:
        check(f"{said}, published", found, expected, at_most=1e-10)

# %% [markdown]
# ## The whole captioner
#
# The picture enters as the first state. The network reads the words $w_1, \dots, w_T$ and is to say $w_2, \dots,
# w_{T+1}$: `captions[:, :-1]` in, `captions[:, 1:]` out. Its derivative we leave to `jax.value_and_grad`.


# %%
def captioning_loss(params, features, captions, null=0):
    h0 = features @ params["W_proj"] + params["b_proj"]  # (N, H)
    x = word_embedding_forward(captions[:, :-1], params["W_embed"])  # (N, T, W)
    h = rnn_forward(x, h0, params["Wx"], params["Wh"], params["b"])  # (N, T, H)
    scores = h @ params["W_vocab"] + params["b_vocab"]  # (N, T, V)
    targets = captions[:, 1:]
    return temporal_softmax_loss(scores, targets, targets != null)


def shapes_of(n_features, n_words, embed_size, hidden_size):
    shapes = {"W_embed": (n_words, embed_size), "W_proj": (n_features, hidden_size), "b_proj": (hidden_size,)}
    shapes |= {"Wx": (embed_size, hidden_size), "Wh": (hidden_size, hidden_size), "b": (hidden_size,)}
    return shapes | {"W_vocab": (hidden_size, n_words), "b_vocab": (n_words,)}


params = {name: jnp.asarray(ramp(-1.4, 1.3, shape)) for name, shape in shapes_of(20, 3, 30, 40).items()}
features, captions = jnp.asarray(ramp(-1.5, 0.3, (10, 20))), (jnp.arange(130) % 3).reshape(10, 13)
loss = captioning_loss(params, features, captions)
check("loss, jaxvision", loss, cs231n.captioning_loss(params, features, captions, cell_type="rnn"), at_most=1e-12)
if answers:
    check("loss, published", loss, answers["captioning_loss_rnn"]["expected"]["loss"], at_most=1e-10)

# %% [markdown]
# ## Fifty captions by heart
#
# Before a network is trained for hours, it should be able to learn a handful of examples by heart. The assignment takes
# 50 of COCO's captions; here they are of 50 procedural scenes. A network that comes with the project has looked at
# each scene and gives the features. From here on numbers are float32, as is usual in training.

# %%
jax.config.update("jax_enable_x64", False)
data = caption_data.scenes(n_train=N_SCENES, n_held_out=N_SCENES, max_length=24)
train = caption_data.fewer(data.train, N_SCENES)  # one caption each
mean, deviation = moments(train.features)
features = jnp.asarray((train.features - mean) / deviation)  # (N, D)
captions = jnp.asarray(train.tokens)  # (N, T): START, words, END, then NULL
vocabulary = data.vocabulary
print(f"{len(features)} scenes, {features.shape[1]} features, {len(vocabulary)} words")
show([train.image(i) for i in range(5)], [textwrap.fill(c, 24) for c in vocabulary.decode(train.tokens[:5])], width=1.9)

# %%
shapes = shapes_of(features.shape[1], len(vocabulary), EMBED_SIZE, HIDDEN_SIZE)
rng = np.random.default_rng(0)
params = {
    name: jnp.zeros(shape) if len(shape) == 1 else jnp.asarray(rng.normal(size=shape) / shape[0] ** 0.5, jnp.float32)
    for name, shape in shapes.items()
}
optimizer = optax.adam(5e-3)


@jax.jit
def update(params, state, rows):
    loss, gradients = jax.value_and_grad(captioning_loss)(params, features[rows], captions[rows])
    updates, state = optimizer.update(gradients, state)
    return optax.apply_updates(params, updates), state, loss


state, losses = optimizer.init(params), []
for _ in range(N_EPOCHS):
    for rows in np.split(rng.permutation(N_SCENES), 2):  # two batches of 25
        params, state, loss = update(params, state, rows)
        losses.append(float(loss))

plt.figure(figsize=(5, 2.6), layout="constrained")
plt.semilogy(losses)
plt.xlabel("update")
plt.ylabel("loss, nats a caption")
plt.show()
print(f"loss {losses[0]:.1f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.5

# %% [markdown]
# ## Saying it
#
# In training the network reads the right words, whatever it would have said. Left to itself it reads its own: the
# likeliest word becomes the next input. As in the assignment nothing stops at END; what follows it is cut off by
# `vocabulary.decode`.


# %%
def caption_sample(params, features, start=1, max_length=24):
    def step(carry, _):
        h, word = carry
        h = rnn_step_forward(params["W_embed"][word], h, params["Wx"], params["Wh"], params["b"])
        word = jnp.argmax(h @ params["W_vocab"] + params["b_vocab"], axis=1)
        return (h, word), word

    begin = features @ params["W_proj"] + params["b_proj"], jnp.full(len(features), start)
    return jax.lax.scan(step, begin, length=max_length)[1].T  # (N, max_length)


learned = caption_sample(params, features)
theirs = cs231n.caption_sample(params, features, cell_type="rnn", start=1, max_length=24)
assert (learned == theirs).mean() > 0.99, "the library says other words"
right = vocabulary.decode(train.tokens)
said = vocabulary.decode(np.asarray(learned))
print(f"{sum(a == b for a, b in zip(said, right, strict=True))} of {N_SCENES} captions come back word for word")

unseen = data.held_out
guessed = caption_sample(params, jnp.asarray((unseen.features - mean) / deviation))
guesses = vocabulary.decode(np.asarray(guessed))
print(f"of {N_SCENES} scenes never shown, {100 * share_true(guesses, data.scenes):.0f} % of what is claimed is true")
texts = ["learned\n" + textwrap.fill(caption, 24) for caption in said[:4]]
texts += ["never seen\n" + textwrap.fill(caption, 24) for caption in guesses[:4]]
show([split.image(i) for split in (train, unseen) for i in range(4)], texts, columns=4, width=1.9)

# %% [markdown]
# In the first row, what was learned comes back. Of scenes that were never shown, the sentences are whole, and about
# half of what they claim is not there: fifty captions teach a language and little about pictures.
#
# **Questions.** Why is a loss of words the wrong number to compare captioners by? What does the network have to hold in
# its state to get the last word of a caption right, and what happens to the derivative on its way there
# ([LSTM](2_lstm_captioning.ipynb))? `python -m experiments.caption --overfit --cell rnn` is this run at the
# assignment's size.
