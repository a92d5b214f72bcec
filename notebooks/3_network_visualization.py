# %% [markdown]
# # 3. Network visualization
#
# The third exercise of CS231n's assignment 3 (Spring 2017) puts three questions to a trained SqueezeNet, all answered
# by the gradient of a score with respect to the *pixels*: which of them decide, which of them fool, and what picture
# would please the network most. The blanks are filled in below in JAX. The assignment prints no values for this
# exercise; the checks are against the library and a closed form, on a network of one layer that compiles in no time.
#
# Background is in the [tutorial](../docs/tutorials/looking.md). ImageNet's SqueezeNet is used where its weights are
# below `JAXVISION_HOME` (`python -m jaxvision.weights fetch squeezenet1_1` brings them); otherwise the one that comes
# with the project, which knows 64 coloured shapes.

# %%
import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from lab import check, show

from experiments.inputs import load_inputs, to_unit
from experiments.networks import load_network
from jaxvision import cs231n
from jaxvision.pixels import clip_normalized, gaussian_blur, normalize

WEIGHTS = "auto"  # or "imagenet", "scenes", or a file
N_IMAGES = 5
N_CLASSES = 2  # to be visualized

network = load_network(WEIGHTS)
logits_fn = network.logits_fn  # images (N, H, W, 3), normalised, to logits (N, K)
imagenet = len(network.class_names) == 1000
print(network.note)

# %%
_, pictures = load_inputs(network, (), n_samples=N_IMAGES, seed=0)
X = normalize(jnp.asarray(pictures))
scores_of = jax.jit(lambda logits_fn, X: logits_fn(X))
y = jnp.argmax(scores_of(logits_fn, X), axis=1)  # what the network sees


def name_of(label):
    return network.class_names[int(label)].split(",")[0]


show(pictures, [name_of(label) for label in y], width=1.9)

# %% [markdown]
# ## Saliency maps
#
# How much does the score of the right class $s_y$ change with each pixel? Take the derivative, its size, and the
# largest of the three colours. A score depends on its own picture only, so one backward pass of the *sum* of the scores
# serves the whole batch.


# %%
def compute_saliency_maps(logits_fn, X, y):
    def total(X):
        return jnp.sum(jnp.take_along_axis(logits_fn(X), y[:, None], axis=1))

    return jnp.max(jnp.abs(jax.grad(total)(X)), axis=-1)  # (N, H, W)


def one_layer(W, X):
    return jnp.einsum("nhwc,hwck->nk", jnp.tanh(X), W)


rng = np.random.default_rng(0)
W = jnp.asarray(rng.normal(size=(8, 8, 3, 5)), jnp.float32)
small_fn = Partial(one_layer, W)  # a function and its weights, as `logits_fn` is
small_X, small_y = jnp.asarray(rng.normal(size=(2, 8, 8, 3)), jnp.float32), jnp.array([4, 2])
found = compute_saliency_maps(small_fn, small_X, small_y)
by_hand = jnp.abs(W[..., small_y].transpose(3, 0, 1, 2) * (1 - jnp.tanh(small_X) ** 2)).max(axis=-1)
check("maps, by hand", found, by_hand, at_most=1e-4)
check("maps, jaxvision", found, cs231n.compute_saliency_maps(small_fn, small_X, small_y), at_most=1e-4)

maps = np.asarray(jax.jit(compute_saliency_maps)(logits_fn, X, y))

# %% [markdown]
# The raw map is grainy, and shown with its brightest half percent cut off. Blurred and laid over the picture it says
# more of where than of which pixel.

# %%
shown = np.minimum(maps, np.quantile(maps, 0.995, axis=(1, 2), keepdims=True))
smooth = np.asarray(gaussian_blur(jnp.asarray(maps)[..., None], X.shape[1] / 40))
lit = pictures * (0.15 + 0.85 * smooth / smooth.max(axis=(1, 2, 3), keepdims=True))
texts = [name_of(label) for label in y] + ["saliency"] * len(X) + ["lit by it"] * len(X)
show([*pictures, *shown, *lit], texts, columns=len(X))

# %% [markdown]
# ## Fooling images
#
# Now the pixels move. From a picture, climb the score of a class that it is *not*, by steps of the gradient's direction
# and a fixed length, until the network says that class:
#
# $$ x \leftarrow x + \eta\, g / \lVert g \rVert_2, \qquad g = \nabla_x s_t(x) $$
#
# `jax.lax.while_loop` stops as soon as that is so. The scores to climb are `network.ascent_fn`: of ImageNet the logits
# themselves, as in the assignment; of the small network its log-probabilities, for its scores are means of a last ReLU,
# and where that is closed everywhere there is no gradient to climb.


# %%
@jax.jit
def make_fooling_image(score_fn, X, target_y, learning_rate=1.0, num_steps=100):
    def not_yet(carry):
        X, step = carry
        return (jnp.argmax(score_fn(X)[0]) != target_y) & (step < num_steps)

    def climb(carry):
        X, step = carry
        g = jax.grad(lambda X: score_fn(X)[0, target_y])(X)
        return X + learning_rate * g / jnp.linalg.norm(g), step + 1

    return jax.lax.while_loop(not_yet, climb, (X, 0))


found, n_steps = make_fooling_image(small_fn, small_X[:1], 1, learning_rate=0.2)
theirs = cs231n.make_fooling_image(small_fn, small_X[:1], 1, learning_rate=0.2)
check(f"image after {n_steps} steps, jaxvision", found, theirs, at_most=1e-4)

original = X[:1]
target_y = 6 if imagenet else (int(y[0]) + 8) % 64  # a stingray; or another shape of the same colour
fooled, n_steps = make_fooling_image(network.ascent_fn, original, target_y)
print(f"{name_of(y[0])} -> {name_of(target_y)} in {n_steps} steps; the assignment expects fewer than 100")
assert n_steps < 100, "not fooled"

# %%
before, after = to_unit(original)[0], to_unit(fooled)[0]
change = after - before
show(
    [before, after, 0.5 + change, np.clip(0.5 + 10 * change, 0, 1)],
    [name_of(y[0]), name_of(target_y), "difference", "difference, ten times"],
    width=2.2,
)

# %% [markdown]
# ## Class visualization
#
# Leave out the picture. From noise, climb $s_y(x) - \lambda \lVert x \rVert_2^2$, again by steps of fixed length. Two
# tricks of the assignment keep what grows from being noise: a random shift before each step and back after it, and a
# slight blur every ten steps.
#
# That is made for 224 pixels. On 64 there is a third: the gradient itself is blurred, much at first and less later, and
# the steps get shorter. With a width of 0 and a constant length it is the published rule. With the
# small network the likeliest of four attempts is shown, each from noise of its own.


# %%
def blurred(g, sigma):
    h, w = g.shape[1:3]
    squares = jnp.fft.fftfreq(h)[:, None] ** 2 + jnp.fft.rfftfreq(w) ** 2
    kept = jnp.exp(-2 * (jnp.pi * sigma) ** 2 * squares)[None, :, :, None]  # a Gaussian, of frequencies
    return jnp.fft.irfft2(jnp.fft.rfft2(g, axes=(1, 2)) * kept, s=(h, w), axes=(1, 2))


@jax.jit
def create_class_visualization(score_fn, target_y, X, key, rates, sigmas, l2_reg=1e-3, blur_every=10, max_jitter=16):
    def step(X, at):
        number, key, rate, sigma = at
        shift = jax.random.randint(key, (2,), -max_jitter, max_jitter + 1)
        X = jnp.roll(X, shift, axis=(1, 2))
        score, g = jax.value_and_grad(lambda X: score_fn(X)[0, target_y] - l2_reg * jnp.sum(X**2))(X)
        g = blurred(g, sigma)
        X = jnp.roll(X + rate * g / jnp.linalg.norm(g), -shift, axis=(1, 2))
        X = clip_normalized(X)  # what [0, 1] maps to
        X = jnp.where(number % blur_every == 0, gaussian_blur(X, 0.5), X)
        return X, (X, score)

    at = (jnp.arange(len(rates)), jax.random.split(key, len(rates)), rates, sigmas)
    return jax.lax.scan(step, X, at)[1]  # the image after every step, and the score before it


how = {"blur_every": 2, "max_jitter": 0}
common = {"key": jax.random.key(1), "image_shape": small_X.shape[1:], **how}
noise = cs231n.create_class_visualization(small_fn, 3, num_iterations=0, **common)
constant = jnp.full(5, 2.0), jnp.zeros(5)  # rates and blurs
found = create_class_visualization(small_fn, 3, noise, jax.random.key(0), *constant, **how)[0][-1]
theirs = cs231n.create_class_visualization(small_fn, 3, num_iterations=5, learning_rate=2.0, **common)
check("five steps without jitter, jaxvision", found, theirs, at_most=1e-3)

# %%
if imagenet:
    classes, n_tries = [76, 130, 113][:N_CLASSES], 1  # tarantula, flamingo, snail
    n_steps, start, how = 100, 1.0, {}
    rates, sigmas = jnp.full(n_steps, 25.0), jnp.zeros(n_steps)
else:
    classes, n_tries = [63, 36, 27, 18][:N_CLASSES], 4  # a crescent, a cross, a star, a triangle
    n_steps, start, how = 200, 0.3, {"l2_reg": 0.0, "max_jitter": 2}
    share = jnp.arange(n_steps) / n_steps
    rates, sigmas = 20 * (0.05 + 0.95 * (1 + jnp.cos(jnp.pi * share)) / 2), 4 * (1.5 / 4) ** share


def attempt(label, number):
    """The film of an image that begins with noise of its own, and the score it ends with."""
    begin = jnp.asarray(start * np.random.default_rng(number).normal(size=X[:1].shape), jnp.float32)
    frames, scores = create_class_visualization(
        network.ascent_fn, label, begin, jax.random.key(number), rates, sigmas, **how
    )
    return jnp.concatenate([begin[None], frames])[:, 0], scores[-1]


drawn, texts = [], []
for label in classes:
    film, _ = max((attempt(label, number) for number in range(n_tries)), key=lambda found: found[1])
    steps = [0, n_steps // 10, n_steps // 4, n_steps // 2, n_steps]
    film = film[jnp.array(steps)]
    chances = jax.nn.softmax(scores_of(logits_fn, film))[:, label]
    drawn += list(to_unit(film))
    texts += [f"{name_of(label)}, step {step}\n{100 * p:.0f} %" for step, p in zip(steps, chances, strict=True)]
    assert chances[-1] > 0.5, f"the network is not convinced of its {name_of(label)}"
show(drawn, texts, columns=5, width=1.9)

# %% [markdown]
# **Questions.** A saliency map and a fooling image are made of the same gradient: why does the change that fools look
# like noise and not like the target? What becomes of the class visualizations without jitter (`max_jitter=0`), without
# blur, with ten times the learning rate?
#
# `python -m experiments.saliency`, `fooling` and `class_visualization` do the same for pictures of your own;
# [which method of attribution to believe](../docs/attribution.md) was measured.
