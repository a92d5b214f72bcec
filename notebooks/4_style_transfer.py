# %% [markdown]
# # 4. Style transfer
#
# The fourth exercise of CS231n's assignment 3 (Spring 2017): a picture with the content of one image and the manner of
# another, found by descending three losses. The blanks are filled in below in JAX; each check prints the relative error
# beside what is expected. The gradients by hand are in the [tutorial](../docs/tutorials/style.md).
#
# The published values need ImageNet's SqueezeNet and the assignment's pictures below `JAXVISION_HOME`; without them the
# losses are checked against NumPy, and the small network that comes with the project paints a sample photograph.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from lab import check, published, show
from PIL import Image

from experiments.networks import load_network
from jaxvision import cs231n
from jaxvision.backbones import with_replicated_edges
from jaxvision.data import read_image, resize_image, sample_file
from jaxvision.files import home
from jaxvision.pixels import denormalize, normalize

SIZE = 128  # short side in pixels; the assignment: 192
N_STEPS = 200

network = load_network("auto")
cnn, imagenet = network.model, len(network.class_names) == 1000
print(network.note)
assignment = [home() / "images" / name for name in ("tubingen.jpg", "starry_night.jpg")]
at_hand = imagenet and all(path.exists() for path in assignment)
answers = (
    published("style_transfer.npz", "the assignment has it as style-transfer-checks.npz, copy it there")
    if at_hand
    else {}
)
if not at_hand:
    print(
        "The published values are left out: they need ImageNet's SqueezeNet (python -m jaxvision.weights fetch "
        f"squeezenet1_1) and the assignment's tubingen.jpg and starry_night.jpg in {assignment[0].parent}."
    )

# %% [markdown]
# ## Features
#
# What the losses look at is the output of each of SqueezeNet's thirteen layers, `features[0]` to `features[12]`.


# %%
def as_the_course_does(path, short_side=192):
    """PIL's bilinear resizing, the long side cut to a whole number."""
    with Image.open(path) as image:
        size = tuple(short_side * side // min(image.size) for side in image.size)
        pixels = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR), np.float32)
    return normalize(pixels[None] / 255)


extract_features = jax.jit(cs231n.extract_features)
if at_hand:
    content, style = map(as_the_course_does, assignment)
    content_features, style_features, zero_features = (
        extract_features(image, cnn) for image in (content, style, 0 * content)
    )
    for i, feature in enumerate(content_features):
        print(f"features[{i}] {feature.shape}")

# %% [markdown]
# ## Content
#
# Where the two pictures should agree, in what is at which place: the squared differences of one layer's features.


# %%
def content_loss(content_weight, content_current, content_original):
    return content_weight * jnp.sum((content_current - content_original) ** 2)


a, b = jax.random.normal(jax.random.key(0), (2, 1, 6, 5, 4))
in_numpy = 0.3 * np.sum((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2)
check("content loss, NumPy", content_loss(0.3, a, b), in_numpy, at_most=1e-5)
check("content loss, jaxvision", content_loss(0.3, a, b), cs231n.content_loss(0.3, a, b), at_most=1e-5)
if answers:
    loss = content_loss(6e-2, content_features[3], zero_features[3])
    check("content loss, published", loss, answers["cl_out"], at_most=1e-3)

# %% [markdown]
# ## Style
#
# Which channels are active together, wherever that is: the Gram matrix sums over all places, so it cannot tell where
# anything was. Divided by $HWC$ it does not grow with the picture.


# %%
def gram_matrix(features, normalize=True):
    n, h, w, c = features.shape
    F = features.reshape(n, h * w, c)
    gram = F.swapaxes(1, 2) @ F  # (N, C, C)
    return gram / (h * w * c) if normalize else gram


def style_loss(feats, style_layers, style_targets, style_weights):
    return sum(
        weight * jnp.sum((gram_matrix(feats[layer]) - target) ** 2)
        for layer, target, weight in zip(style_layers, style_targets, style_weights, strict=True)
    )


f = np.asarray(a, np.float64)
check("Gram matrix, NumPy", gram_matrix(a), np.einsum("nhwc,nhwd->ncd", f, f) / f.size, at_most=1e-4)
check("Gram matrix, jaxvision", gram_matrix(a, False), cs231n.gram_matrix(a, False), at_most=1e-4)
shuffled = jax.random.permutation(jax.random.key(1), a.reshape(30, 4)).reshape(a.shape)
check("Gram matrix of the same places, shuffled", gram_matrix(a), gram_matrix(shuffled), at_most=1e-4)
targets = [gram_matrix(b), gram_matrix(a)]
arguments = [a, b], [0, 1], targets, [2.0, 5.0]
check("style loss, jaxvision", style_loss(*arguments), cs231n.style_loss(*arguments), at_most=1e-4)
if answers:
    check("Gram matrix, published", gram_matrix(style_features[5]), answers["gm_out"], at_most=1e-3)
    layers, weights = [1, 4, 6, 7], [300_000, 1000, 15, 3]
    targets = [gram_matrix(style_features[layer]) for layer in layers]
    loss = style_loss(content_features, layers, targets, weights)
    check("style loss, published", loss, answers["sl_out"], at_most=1e-3)

# %% [markdown]
# ## Total variation
#
# Neighbours should not differ much. Two shifted differences, no loop over pixels.


# %%
def tv_loss(img, tv_weight):
    down, right = img[:, 1:] - img[:, :-1], img[:, :, 1:] - img[:, :, :-1]
    return tv_weight * (jnp.sum(down**2) + jnp.sum(right**2))


ramp_image = jnp.broadcast_to(jnp.arange(5.0)[None, None, :, None], (1, 4, 5, 3))
check("total variation of a slope of 1", tv_loss(ramp_image, 0.5), 0.5 * 4 * 4 * 3, at_most=1e-6)
check("total variation, jaxvision", tv_loss(a[..., :3], 2e-2), cs231n.tv_loss(a[..., :3], 2e-2), at_most=1e-5)
if answers:
    check("total variation, published", tv_loss(content, 2e-2), answers["tv_out"], at_most=1e-3)

# %% [markdown]
# ## The run
#
# Adam on the pixels, kept within ±1.5: a large rate first, and for the last tenth a small one with Adam begun anew,
# which after half of that is no longer clamped. Weights are arguments of the compiled program, so that it serves the
# runs below too. Against the library on a network of thirteen small layers, twenty steps:


# %%
@partial(jax.jit, static_argnames=("content_layer", "style_layers"))
def descend(cnn, image, targets, weights, rate, n_steps, n_clamped, *, content_layer, style_layers):
    content_target, style_targets = targets
    content_weight, style_weights, tv_weight = weights

    def loss_fn(image):
        feats = cs231n.extract_features(image, cnn)
        loss = content_loss(content_weight, feats[content_layer], content_target)
        return loss + style_loss(feats, style_layers, style_targets, style_weights) + tv_loss(image, tv_weight)

    adam = optax.adam(rate)

    def step(number, carry):
        image, state = carry
        updates, state = adam.update(jax.grad(loss_fn)(image), state)
        image = image + updates
        return jnp.where(number < n_clamped, jnp.clip(image, -1.5, 1.5), image), state

    return jax.lax.fori_loop(0, n_steps, step, (image, adam.init(image)))[0]


def style_transfer(
    cnn,
    content,
    style,
    content_layer,
    content_weight,
    style_layers,
    style_weights,
    tv_weight,
    init=None,
    n_steps=200,
    rates=(3.0, 0.1),
):
    style_features = extract_features(style, cnn)
    targets = extract_features(content, cnn)[content_layer], [gram_matrix(style_features[i]) for i in style_layers]
    run = partial(
        descend,
        cnn,
        targets=targets,
        weights=(content_weight, tuple(style_weights), tv_weight),
        content_layer=content_layer,
        style_layers=tuple(style_layers),
    )
    late, last = n_steps * 9 // 10, n_steps * 19 // 20
    image = jnp.clip(content if init is None else init, -1.5, 1.5)
    image = run(image, rate=rates[0], n_steps=late, n_clamped=late)
    return run(image, rate=rates[1], n_steps=n_steps - late, n_clamped=max(0, last - late - 1))


def thirteen_layers(W, images):
    return None, {f"features.{i}": jnp.tanh(images @ W[i]) for i in range(13)}


small_cnn = Partial(thirteen_layers, jax.random.normal(jax.random.key(2), (13, 3, 4)))
photo, painting = jax.random.uniform(jax.random.key(3), (2, 1, 12, 10, 3))
weights = {"content_layer": 3, "content_weight": 0.1, "style_layers": (1, 4), "style_weights": (30.0, 10.0)}
found = style_transfer(small_cnn, normalize(photo), normalize(painting), **weights, tv_weight=2e-2, n_steps=20)
theirs = cs231n.style_transfer(small_cnn, photo, painting, 10, 10, **weights, tv_weight=2e-2, num_iterations=20)
check("twenty steps, jaxvision", found, theirs, at_most=1e-2)

# %% [markdown]
# ## Pictures
#
# The assignment's weights are for 192 pixels, and content and total variation are sums over pixels: for another size
# they are scaled, so that the balance stays. The small network has a style in its first layers only, and weights of its
# own.

# %%
files = assignment if at_hand else [sample_file("cat"), sample_file("tissue")]
content, style = (normalize(resize_image(read_image(file), SIZE)[None].astype(np.float32) / 255) for file in files)
scale = (192 / SIZE) ** 2
if imagenet:
    weights = {"content_layer": 3, "content_weight": 6e-2 * scale, "tv_weight": 2e-2 * scale}
    weights |= {"style_layers": (1, 4, 6, 7), "style_weights": (300_000.0, 1000.0, 15.0, 3.0)}
else:
    cnn = with_replicated_edges(network.model)
    P, A = extract_features(content, cnn)[3], gram_matrix(extract_features(style, cnn)[1])
    weights = {"content_layer": 3, "content_weight": 1 / jnp.sum(P**2), "tv_weight": 0.6 / content.size}
    weights |= {"style_layers": (1,), "style_weights": (120 / jnp.sum(A**2),), "rates": (0.06, 0.02)}
noise = jax.random.uniform(jax.random.key(4), content.shape)

painted = style_transfer(cnn, content, style, **weights, n_steps=N_STEPS)
images, texts = [content, style, painted], ["content", "style", "both"]
if imagenet:  # what the small network says of a photograph is too little to find it again
    inverted = style_transfer(cnn, content, style, **weights | {"style_weights": (0.0,) * 4}, init=noise)
    texture = style_transfer(cnn, content, style, **weights | {"content_weight": 0.0}, init=noise)
    images += [inverted, texture]
    texts += ["content alone, from noise", "style alone, from noise"]
show([np.clip(denormalize(image)[0], 0, 1) for image in images], texts, width=2.1)

# %% [markdown]
# From left to right: what the two are, what came of both, and with ImageNet's network the two extremes. Without style
# weights the picture is found again from its features alone; without a content weight only the manner is left, and
# nothing stands where it stood.
#
# **Questions.** Why does the Gram matrix forget where things are, and what would be kept of a style if it did not? What
# changes if the content is taken from a deeper layer? Raise `SIZE` to the assignment's 192.
# `python -m experiments.style_transfer --preset starry_night --content FILE --styles FILE` is the assignment's run, and
# without `--preset` it paints from coarse to fine at any size.
