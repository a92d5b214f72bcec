"""Rows of the benchmark: PGD and DeepFool, and what a PyTorch user would run instead.

Every attack is one program, beside a loop in PyTorch by hand, Foolbox and torchattacks. Both sides begin at the same
images and return the last. A gradient's sign is decided by rounding here and there, and each such value bends the path
of all: PGD is compared value by value after two short steps, and by the losses that the timed run reaches.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark_looking import image_gradient, torch_forms
from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.networks import CHECKPOINTS
from experiments.timing import Costs, compiled, costs
from jaxvision.adversarial import cross_entropy_loss, deepfool, pgd
from jaxvision.backbones import LeNet, SqueezeNet, lenet, logits_fn, squeezenet1_1, state_dict
from jaxvision.signatures import LogitsFn

LENET = CHECKPOINTS / "lenet_mnist.safetensors"
DIGIT, PHOTOGRAPH = (28, 28, 1), (224, 224, 3)
EPS_DIGITS, EPS_PHOTOGRAPHS = 0.1, 4 / 255
SHORT = 0.05  # of eps: the two steps that are compared
SIGNS = 0.01  # the share of values whose direction rounding may decide
N_CLASSES = 10
DEEPFOOL: dict[str, Any] = {"n_steps": 50, "n_classes": N_CLASSES, "overshoot": 0.02}


def programs(setup: Setup) -> Programs:
    """The rows by name."""
    return {
        "PGD-40 on LeNet, 16 images": lambda: lenet_pgd(16, setup),
        "PGD-40 on LeNet, 128 images": lambda: lenet_pgd(128, setup),
        "PGD-10 on SqueezeNet, 8 images": lambda: squeezenet_pgd(8, setup),
        "DeepFool on LeNet, 16 images": lambda: lenet_deepfool(16, setup),
    }


def lenet_pgd(n: int, setup: Setup, *, n_steps: int = 40) -> Program:
    """PGD in l-infinity on the LeNet that comes with the project."""
    model = lenet(LENET)
    forms, clean = lenet_forms(model, setup), noise(n, DIGIT, setup)
    return prepare_pgd(f"PGD-{n_steps} on LeNet, {n} images", model, forms, clean, eps=EPS_DIGITS, n_steps=n_steps)


def squeezenet_pgd(n: int, setup: Setup, *, n_steps: int = 10, shape: tuple[int, int, int] = PHOTOGRAPH) -> Program:
    """The same on SqueezeNet with random weights."""
    model = squeezenet1_1(key=jax.random.key(setup.seed))
    forms, clean = torch_forms(model, setup), noise(n, shape, setup)
    name = f"PGD-{n_steps} on SqueezeNet, {n} images"
    return prepare_pgd(name, model, forms, clean, eps=EPS_PHOTOGRAPHS, n_steps=n_steps)


def prepare_pgd(
    name: str, model: LeNet | SqueezeNet, forms: Mapping[str, Any], clean: jax.Array, *, eps: float, n_steps: int
) -> Program:
    """Compiles PGD and compares it with every peer.

    Args:
        name: of the row.
        model: images in [0, 1] to logits and activations.
        forms: PyTorch's forms of it by name; may be empty.
        clean: `(N, H, W, C)`.
        eps: of the ball.
        n_steps: steps, each 2.5 eps / n_steps long.

    Returns:
        What is to be timed.

    Raises:
        FloatingPointError: if what is added to the images, or the losses reached, differ from a peer's.
    """
    key, classify = jax.random.key(0), logits_fn(model)
    labels = jnp.argmax(jax.jit(classify)(clean), axis=1).astype(jnp.int32)
    losses = jax.jit(lambda logits_fn, images: cross_entropy_loss(logits_fn(images), labels))

    def timed(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array, key: jax.Array) -> jax.Array:
        return attack(logits_fn, images, labels, key, eps, n_steps)

    call, compiling = compiled(timed, classify, clean, labels, key)
    calls: dict[str, Callable[[], Any]] = {"ours": call}
    for reach, n in ((SHORT * eps, 2), (eps, n_steps)):
        # torchattacks begins at the image itself, the others at the start given.
        ours = {begin is None: attack(classify, clean, labels, begin, reach, n) for begin in (key, None) if forms}
        start = attack(classify, clean, labels, key, reach, 0)
        for form, (peer, straight) in pgd_peers(forms, clean, start, labels, reach, n).items():
            found = in_our_order(peer())
            if n == n_steps:
                require_same(
                    f"loss of {name}", form, *(np.asarray(losses(classify, x)) for x in (ours[straight], found))
                )
                calls[form] = peer
            else:
                require_same_steps(name, form, np.asarray(ours[straight]), np.asarray(found), reach)
    one = costs(image_gradient, classify, clean[:1], labels[:1])
    return Program(name, calls, compiling, one.times(len(clean) * n_steps), n_steps)


def attack(
    logits_fn: LogitsFn, images: jax.Array, labels: jax.Array, key: jax.Array | None, eps: float, n_steps: int
) -> jax.Array:
    """The last images of PGD, from the image itself where there is no key; with no steps, where it begins."""
    random_start = key is not None
    result = pgd(
        logits_fn, images, labels, eps=eps, n_steps=n_steps, key=key, random_start=random_start, keep_best=False
    )
    return result.images


def pgd_peers(
    forms: Mapping[str, Any], clean: jax.Array, start: jax.Array, labels: jax.Array, eps: float, n_steps: int
) -> dict[str, tuple[Callable[[], Any], bool]]:
    """PyTorch's calls by name, and whether each begins at the image itself."""
    if not forms:
        return {}
    import torch  # noqa: PLC0415 - PyTorch is an extra

    from experiments import peers_attacks as peers  # noqa: PLC0415

    calls = dict[str, tuple[Callable[[], Any], bool]]()
    classes, rule = torch.from_numpy(np.array(labels, np.int64)), (eps, 2.5 * eps / n_steps, n_steps)
    for name, form in forms.items():
        x, x0 = (form.to_tensor(np.asarray(images)) for images in (clean, start))
        calls[name] = (lambda net=form.net, x=x, x0=x0: peers.pgd(net, x, x0, classes, *rule)), False
        if "compiled" not in name:
            foolbox = peers.foolbox_pgd(form.net, x, x0, classes, *rule)
            torchattacks = peers.torchattacks_pgd(form.net, x, classes, *rule)
            calls |= {} if foolbox is None else {f"Foolbox, {name}": (foolbox, False)}
            calls |= {} if torchattacks is None else {f"torchattacks, {name}": (torchattacks, True)}
    return calls


def require_same_steps(name: str, form: str, ours: np.ndarray, theirs: np.ndarray, eps: float) -> None:
    """Refuses to time two attacks whose first steps are not the same.

    Raises:
        FloatingPointError: if more than a hundredth of all values differ by more than a hundredth of eps.
    """
    share = float(np.mean(~(np.abs(ours - theirs) <= 0.01 * eps)))
    if share > SIGNS:
        raise FloatingPointError(f"{name}: the first steps of ours and the {form} form differ in {share:.1%} of values")


def lenet_deepfool(n: int, setup: Setup) -> Program:
    """DeepFool on the LeNet that comes with the project: as many steps as the slowest image needs."""
    name, model, clean = f"DeepFool on LeNet, {n} images", lenet(LENET), noise(n, DIGIT, setup)
    classify = logits_fn(model)

    def timed(logits_fn: LogitsFn, images: jax.Array) -> jax.Array:
        return deepfool(logits_fn, images, **DEEPFOOL).images

    call, compiling = compiled(timed, classify, clean)
    calls: dict[str, Callable[[], Any]] = {"ours": call}
    labels = jnp.argmax(jax.jit(classify)(clean), axis=1).astype(jnp.int32)
    for form, peer in deepfool_peers(lenet_forms(model, setup), clean, labels).items():
        calls[form] = peer
        require_same(name, form, np.asarray(call() - clean), np.asarray(in_our_order(peer()) - clean))
    n_steps = int(deepfool(classify, clean, **DEEPFOOL).steps.max())
    return Program(name, calls, compiling, deepfool_costs(classify, clean, labels, n_steps), n_steps)


def deepfool_costs(classify: LogitsFn, clean: jax.Array, labels: jax.Array, n_steps: int) -> Costs:
    """A step is a forward pass and a backward one for each class but the image's own; the last is forward only."""
    both = costs(image_gradient, classify, clean[:1], labels[:1])
    forward = costs(lambda logits_fn, images: logits_fn(images), classify, clean[:1])
    n, n_backward = len(clean), len(clean) * n_steps * (N_CLASSES - 1)

    def total(both: float, forward: float) -> float:
        return n_backward * (both - forward) + n * (n_steps + 1) * forward

    return Costs(total(both.operations, forward.operations), total(both.bytes or 0.0, forward.bytes or 0.0))


def deepfool_peers(forms: Mapping[str, Any], clean: jax.Array, labels: jax.Array) -> dict[str, Callable[[], Any]]:
    """PyTorch's calls by name."""
    if not forms:
        return {}
    import torch  # noqa: PLC0415 - PyTorch is an extra

    from experiments import peers_attacks as peers  # noqa: PLC0415

    classes, calls = torch.from_numpy(np.array(labels, np.int64)), dict[str, Callable[[], Any]]()
    for name, form in forms.items():
        x = form.to_tensor(np.asarray(clean))
        calls[name] = lambda net=form.net, x=x: peers.deepfool(net, x, **DEEPFOOL)
        foolbox = None if "compiled" in name else peers.foolbox_deepfool(form.net, x, classes, **DEEPFOOL)
        calls |= {} if foolbox is None else {f"Foolbox, {name}": foolbox}
    return calls


def lenet_forms(model: LeNet, setup: Setup) -> Mapping[str, Any]:
    """PyTorch's forms of LeNet, none where PyTorch is not wanted."""
    if not setup.peers:
        return {}
    from experiments import peers_attacks  # noqa: PLC0415 - PyTorch is an extra

    return peers_attacks.lenet_forms(state_dict(model), compile=setup.compile)


def noise(n: int, shape: tuple[int, int, int], setup: Setup) -> jax.Array:
    """Images whose values are uniform in [0, 1]."""
    return jax.random.uniform(jax.random.key(setup.seed), (n, *shape))


def in_our_order(images: Any) -> jax.Array:
    """PyTorch's `(n, c, h, w)` as `(N, H, W, C)`."""
    return jnp.asarray(images.detach().numpy().transpose(0, 2, 3, 1))
