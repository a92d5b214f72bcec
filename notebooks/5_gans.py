# %% [markdown]
# # 5. Generative adversarial networks
#
# The fifth exercise of CS231n's assignment 3 (Spring 2017): a generator that turns noise into digits, and a
# discriminator that tells them from real ones, each trained against the other. The blanks are filled in below in JAX;
# each check prints the relative error beside what is expected. Why the losses are what they are, and what WGAN-GP's
# derivative of a derivative comes to, is in the [tutorial](../docs/tutorials/gan.md).
#
# MNIST is used where it is below `JAXVISION_HOME`; otherwise scikit-learn's 1,797 digits (extra `demo`), enlarged.
# Set the length of the training in the next cell.

# %%
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from lab import check, published, show

from experiments import gan_data, generator_files
from jaxvision import cs231n
from jaxvision.files import home

N_STEPS = 1000  # the assignment: ten passes through MNIST
BATCH_SIZE, NOISE_DIM = 64, 96  # the assignment: 128 and 96
D_HIDDEN, G_HIDDEN = 256, 256  # the assignment: 256 and 1024

answers = published("gan.npz", "the assignment has it as gan-checks-tf.npz, copy it there under this name")
dataset = "mnist" if (home() / "mnist" / "train-images-idx3-ubyte.gz").exists() else "digits"
digits = gan_data.signed(jnp.asarray(gan_data.load(dataset).train))  # (M, 28, 28, 1) in [-1, 1]
print(f"{len(digits):,} digits ({dataset})")
show((digits[:12] + 1) / 2, columns=12, width=0.7)

# %% [markdown]
# ## Two small parts
#
# A leaky rectifier lets a little of the derivative through below zero: what the generator learns comes to it through
# the discriminator, and a unit that is shut would tell it nothing. The noise is uniform in [-1, 1).


# %%
def leaky_relu(x, alpha=0.01):
    return jnp.maximum(x, alpha * x)


def sample_noise(key, batch_size, dim):
    return jax.random.uniform(key, (batch_size, dim), minval=-1.0)


x = jnp.linspace(-2, 2, 7)
check("leaky_relu, jaxvision", leaky_relu(x), cs231n.leaky_relu(x), at_most=1e-6)
if answers:
    check("leaky_relu, published", leaky_relu(answers["lrelu_x"]), answers["lrelu_y"], at_most=1e-6)
noise = sample_noise(jax.random.key(0), BATCH_SIZE, NOISE_DIM)
assert noise.shape == (BATCH_SIZE, NOISE_DIM)
assert -1 <= noise.min() < -0.99 < 0.99 < noise.max() < 1

# %% [markdown]
# ## Two networks
#
# Fully connected. The discriminator goes from 784 pixels over 256 and 256 to one score, without a sigmoid; the
# generator from noise over 1024 and 1024 to 784 pixels and a tanh. The assignment checks how many parameters they have.


# %%
def initial(key, *sizes):
    """Weights uniform with variance 2 / (n_in + n_out), biases zero: one pair a layer."""
    keys, shapes = jax.random.split(key, len(sizes) - 1), list(pairwise(sizes))
    bounds = [(6 / sum(shape)) ** 0.5 for shape in shapes]
    return [
        (jax.random.uniform(k, shape, minval=-bound, maxval=bound), jnp.zeros(shape[1]))
        for k, shape, bound in zip(keys, shapes, bounds, strict=True)
    ]


def discriminator(params, images):
    *hidden, (W, b) = params
    x = images.reshape(len(images), -1)  # (N, 784)
    for weights, biases in hidden:
        x = leaky_relu(x @ weights + biases)
    return (x @ W + b)[:, 0]  # (N,)


def generator(params, noise):
    *hidden, (W, b) = params
    x = noise
    for weights, biases in hidden:
        x = jax.nn.relu(x @ weights + biases)
    return jnp.tanh(x @ W + b).reshape(-1, 28, 28, 1)


def count(model):
    return sum(leaf.size for leaf in jax.tree.leaves(model))


D, G = initial(jax.random.key(1), 784, 256, 256, 1), initial(jax.random.key(2), 4, 1024, 1024, 784)
check("parameters of the discriminator, published", count(D), 267_009, at_most=0)
check("parameters of the generator of 4, published", count(G), 1_858_320, at_most=0)


def weights_of(model):
    return [(layer.kernel[...], layer.bias[...]) for layer in (model.layers[f"fc{i}"] for i in (1, 2, 3))]


theirs_D, theirs_G = cs231n.discriminator(), cs231n.generator()
check("scores, jaxvision", discriminator(weights_of(theirs_D), digits[:8]), theirs_D(digits[:8]), at_most=1e-3)
check("images, jaxvision", generator(weights_of(theirs_G), noise), theirs_G(noise), at_most=1e-2)

# %% [markdown]
# The convolutional pair, DCGAN, is in `jaxvision/gan/networks.py`, written the same way:

# %%
trainable = nnx.state(jax.eval_shape(lambda: cs231n.dc_generator(4)), nnx.Param)  # not the running means and variances
check("parameters of DCGAN's discriminator, published", count(cs231n.dc_discriminator()), 1_102_721, at_most=0)
check("parameters of DCGAN's generator of 4, published", count(trainable), 6_580_801, at_most=0)

# %% [markdown]
# ## Losses
#
# The discriminator says how likely an image is real, by its score's sigmoid. On scores, $-\log \sigma(s)$ is
# $\mathrm{softplus}(-s)$ and $-\log(1 - \sigma(s))$ is $\mathrm{softplus}(s)$; `log(sigmoid(s))` would be minus
# infinity where a score is -200. The generator raises $\log \sigma(D(G(z)))$ rather than lower $\log(1 -
# \sigma(D(G(z))))$: early on, when it loses every time, the latter is flat.


# %%
def discriminator_loss(logits_real, logits_fake):
    return jnp.mean(jax.nn.softplus(-logits_real)) + jnp.mean(jax.nn.softplus(logits_fake))


def generator_loss(logits_fake):
    return jnp.mean(jax.nn.softplus(-logits_fake))


real, fake = jax.random.normal(jax.random.key(3), (2, 10))
check("discriminator, jaxvision", discriminator_loss(real, fake), cs231n.discriminator_loss(real, fake), at_most=1e-6)
check("generator, jaxvision", generator_loss(fake), cs231n.generator_loss(fake), at_most=1e-6)
assert jnp.isfinite(generator_loss(jnp.array([-200.0])))
if answers:
    logits = jnp.asarray(answers["logits_real"]), jnp.asarray(answers["logits_fake"])
    check("discriminator, published", discriminator_loss(*logits), answers["d_loss_true"], at_most=1e-6)
    check("generator, published", generator_loss(logits[1]), answers["g_loss_true"], at_most=1e-6)

# %% [markdown]
# Least squares asks for a score of 1 and of 0 and punishes the distance, so that an image that is already taken for
# real still learns where the real ones are.


# %%
def ls_discriminator_loss(scores_real, scores_fake):
    return jnp.mean((scores_real - 1) ** 2) / 2 + jnp.mean(scores_fake**2) / 2


def ls_generator_loss(scores_fake):
    return jnp.mean((scores_fake - 1) ** 2) / 2


found, theirs = ls_discriminator_loss(real, fake), cs231n.ls_discriminator_loss(real, fake)
check("least squares, discriminator, jaxvision", found, theirs, at_most=1e-6)
check("least squares, generator, jaxvision", ls_generator_loss(fake), cs231n.ls_generator_loss(fake), at_most=1e-6)

# %% [markdown]
# ## Training
#
# One step: new noise, the discriminator down its gradient, new noise again, the generator down its own. Where the
# generator is differentiated the discriminator stands still, and the other way round: in JAX that is nothing but which
# argument the gradient is of.

# %%
optimizer = optax.adam(1e-3, b1=0.5)


def train_step(state, real, key, d_loss, g_loss):
    (D, D_state), (G, G_state) = state
    of_D, of_G = jax.random.split(key)
    fake = generator(G, sample_noise(of_D, len(real), NOISE_DIM))
    D_value, gradient = jax.value_and_grad(lambda D: d_loss(discriminator(D, real), discriminator(D, fake)))(D)
    updates, D_state = optimizer.update(gradient, D_state)
    D = optax.apply_updates(D, updates)

    noise = sample_noise(of_G, len(real), NOISE_DIM)
    G_value, gradient = jax.value_and_grad(lambda G: g_loss(discriminator(D, generator(G, noise))))(G)
    updates, G_state = optimizer.update(gradient, G_state)
    G = optax.apply_updates(G, updates)
    return ((D, D_state), (G, G_state)), (D_value, G_value)


@partial(jax.jit, static_argnames=("d_loss", "g_loss"))
def train(state, digits, rows, keys, *, d_loss, g_loss):
    """Many steps as one program: `rows` says which digits each of them sees."""
    step = lambda state, at: train_step(state, digits[at[0]], at[1], d_loss, g_loss)
    return jax.lax.scan(step, state, (rows, keys))


def run_a_gan(d_loss, g_loss, seed=0):
    of_D, of_G, key = jax.random.split(jax.random.key(seed), 3)
    D, G = initial(of_D, 784, D_HIDDEN, D_HIDDEN, 1), initial(of_G, NOISE_DIM, G_HIDDEN, G_HIDDEN, 784)
    state = (D, optimizer.init(D)), (G, optimizer.init(G))
    rows = np.random.default_rng(seed).integers(len(digits), size=(4, N_STEPS // 4, BATCH_SIZE))
    keys = jax.random.split(key, rows.shape[:2])
    shown, values = [generator(G, noise[:10])], []
    for rows_now, keys_now in zip(rows, keys, strict=True):  # a quarter of the training each
        state, found = train(state, digits, rows_now, keys_now, d_loss=d_loss, g_loss=g_loss)
        values.append(np.stack(found, axis=1))
        shown.append(generator(state[1][0], noise[:10]))
    return [shown[0], shown[1], shown[4]], np.concatenate(values)


kinds = {
    "non-saturating": (discriminator_loss, generator_loss),
    "least squares": (ls_discriminator_loss, ls_generator_loss),
}
runs = {name: run_a_gan(*losses) for name, losses in kinds.items()}

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.4), layout="constrained")
for axis, (name, (_, values)) in zip(axes, runs.items(), strict=True):
    axis.plot(values[:, 0], label="discriminator", linewidth=0.8)
    axis.plot(values[:, 1], label="generator", linewidth=0.8)
    axis.set_title(name, fontsize=9)
    axis.set_xlabel("step")
axes[0].set_ylabel("loss")
axes[0].legend(frameon=False, fontsize=8)
plt.show()

ink = float(jnp.mean(digits))
for name, (shown, _) in runs.items():
    print(f"{name}, before, after {N_STEPS // 4} and after {N_STEPS} steps:")
    show([(image + 1) / 2 for row in shown for image in row], columns=10, width=0.7)
    assert abs(float(jnp.mean(shown[-1])) - ink) < 0.2, "what is drawn has not the ink of digits"

# %% [markdown]
# The same noise in every row. The curves say little: a loss that falls for one rises for the other, and neither says
# how good the pictures are.
#
# ## WGAN-GP
#
# The assignment's extra. The critic's scores are used as they are, and what keeps them from growing without end is a
# penalty on the slope between real and generated images, where it should be 1 for *each image*: the norm of its whole
# gradient, not of a pixel's. `vmap` over single images leaves no other way.


# %%
def wgangp_discriminator_loss(critic, real, fake, key, lam=10.0):
    share = jax.random.uniform(key, (len(real), *(1,) * (real.ndim - 1)))
    between = share * real + (1 - share) * fake
    gradients = jax.vmap(jax.grad(lambda image: critic(image[None])[0]))(between)
    norms = jnp.sqrt(jnp.sum(gradients.reshape(len(real), -1) ** 2, axis=1) + 1e-12)
    return jnp.mean(critic(fake)) - jnp.mean(critic(real)) + lam * jnp.mean((norms - 1) ** 2)


# The slope of a linear critic is the same everywhere, so the loss does not depend on the points drawn in between.
slope = jax.random.normal(jax.random.key(4), (784,)) / 14
critic = lambda images: images.reshape(len(images), -1) @ slope
real, fake, key = digits[:16], theirs_G(noise[:16]), jax.random.key(5)
found = wgangp_discriminator_loss(critic, real, fake, key)
by_hand = np.mean(critic(fake) - critic(real)) + 10 * (np.linalg.norm(slope) - 1) ** 2
check("critic's loss, by hand", found, by_hand, at_most=1e-4)
theirs = cs231n.wgangp_discriminator_loss(critic, critic(real), critic(fake), real, fake, key)
check("critic's loss, jaxvision", found, theirs, at_most=1e-4)

# %% [markdown]
# ## What longer training gives
#
# `checkpoints/generator_mnist.safetensors` is the DCGAN generator after 2,500 steps on MNIST with the least-squares
# loss and a penalty of its own.

# %%
trained = generator_files.load_generator(generator_files.EMBEDDED)
drawn = jax.jit(lambda model, noise: model(noise))(
    trained.model, sample_noise(jax.random.key(6), 30, trained.latent_dim)
)
show((drawn + 1) / 2, columns=10, width=0.7)

# %% [markdown]
# **Questions.** Two networks that chase each other: take $f(x, y) = xy$, let $x$ descend and $y$ climb it by turns, and
# see where they go. What does it mean if the discriminator's loss falls to zero early on? How would you measure that a
# generator has left out a digit?
#
# `python -m experiments.gan --dataset mnist --network dcgan` is the exercise's run; `--objective lsgan` and `wgan_gp`
# are the others, and each ends with a table of distances to real digits.
