"""Rows of the benchmark: attacks that adapt on their way, Carlini and Wagner's and Auto-PGD, and what others run.

Rounding parts two paths sooner or later, and Auto-PGD begins at random. What is compared is what they are after: the
sizes of Carlini and Wagner's perturbations, and which images Auto-PGD fools. Both sides take all their steps: no run of
Carlini and Wagner's is cut short, and the budget of Auto-PGD leaves images that are never fooled.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark_attacks import DIGIT, LENET, in_our_order, lenet_forms, noise
from experiments.benchmark_looking import image_gradient
from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.timing import compiled, costs
from jaxvision.adversarial import apgd, carlini_wagner
from jaxvision.backbones import lenet, logits_fn
from jaxvision.signatures import LogitsFn

EPS = 0.04
AMISS = 0.15  # of the images: what other starts may decide
CARLINI_WAGNER: dict[str, Any] = {"n_searches": 3, "learning_rate": 0.1, "initial_weight": 1.0, "abort_early": False}


def programs(setup: Setup) -> Programs:
    """The rows by name."""
    return {
        "Carlini-Wagner on LeNet, 16 images": lambda: lenet_carlini_wagner(16, setup),
        "APGD-100 on LeNet, 16 images": lambda: lenet_apgd(16, setup),
        "APGD-100 on LeNet, 128 images": lambda: lenet_apgd(128, setup),
    }


def lenet_carlini_wagner(n: int, setup: Setup, *, n_steps: int = 50) -> Program:
    """Carlini and Wagner's attack on the LeNet that comes with the project, beside Foolbox's.

    Raises:
        FloatingPointError: if the sizes of the perturbations differ.
    """
    name, classify, clean = f"Carlini-Wagner on LeNet, {n} images", logits_fn(lenet(LENET)), noise(n, DIGIT, setup)
    settings = CARLINI_WAGNER | {"n_steps": n_steps}
    labels = jnp.argmax(jax.jit(classify)(clean), axis=1).astype(jnp.int32)
    call, compiling = compiled(partial(smallest, settings=settings), classify, clean, labels)
    calls: dict[str, Callable[[], Any]] = {"ours": call}
    for form, peer in peers("foolbox_carlini_wagner", setup, clean, labels, settings).items():
        ours, theirs = (np.linalg.norm((x - clean).reshape(n, -1), axis=1) for x in (call(), in_our_order(peer())))
        if not ours.all():
            raise FloatingPointError(f"{name}: ours fools {np.count_nonzero(ours)} images, all were expected")
        require_same(name, form, ours, theirs, n_steps=n_steps * settings["n_searches"])
        calls[form] = peer
    total = n_steps * settings["n_searches"]
    one = costs(image_gradient, classify, clean[:1], labels[:1])
    return Program(name, calls, compiling, one.times(n * total), total)


def lenet_apgd(n: int, setup: Setup, *, n_steps: int = 100) -> Program:
    """Auto-PGD by cross-entropy on the same LeNet, beside torchattacks'.

    Raises:
        FloatingPointError: if other images are fooled.
    """
    name, classify, clean = f"APGD-{n_steps} on LeNet, {n} images", logits_fn(lenet(LENET)), noise(n, DIGIT, setup)
    labels = jnp.argmax(jax.jit(classify)(clean), axis=1).astype(jnp.int32)
    key = jax.random.key(setup.seed)
    call, compiling = compiled(partial(strongest, n_steps=n_steps), classify, clean, labels, key)
    calls: dict[str, Callable[[], Any]] = {"ours": call}
    for form, peer in peers("torchattacks_apgd", setup, clean, labels, {"eps": EPS, "n_steps": n_steps}).items():
        ours, theirs = (np.asarray(classify(x).argmax(1) != labels) for x in (call(), in_our_order(peer())))
        if np.mean(ours != theirs) > AMISS:
            raise FloatingPointError(f"{name}: ours fools {ours.sum()} images, the {form} form {theirs.sum()}")
        calls[form] = peer
    one = costs(image_gradient, classify, clean[:1], labels[:1])
    return Program(name, calls, compiling, one.times(n * n_steps), n_steps)


def smallest(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array, *, settings: dict[str, Any]) -> jax.Array:
    """Images with the smallest perturbation that is found."""
    return carlini_wagner(logits_fn, images, labels, **settings).images


def strongest(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array, key: jax.Array, *, n_steps: int) -> jax.Array:
    """Images with the highest loss that is found."""
    return apgd(logits_fn, images, labels, eps=EPS, key=key, n_steps=n_steps).images


def peers(
    attack: str, setup: Setup, clean: jax.Array, labels: jax.Array, settings: dict[str, Any]
) -> dict[str, Callable[[], Any]]:
    """A package's calls by PyTorch's form of the network."""
    forms = lenet_forms(lenet(LENET), setup)
    if not forms:
        return {}
    import torch  # noqa: PLC0415 - PyTorch is an extra

    from experiments import peers_attacks  # noqa: PLC0415

    classes = torch.from_numpy(np.array(labels, np.int64))
    found = {
        name: getattr(peers_attacks, attack)(form.net, form.to_tensor(np.asarray(clean)), classes, **settings)
        for name, form in forms.items()
    }
    return {f"{attack.split('_')[0]}, {name}": call for name, call in found.items() if call is not None}
