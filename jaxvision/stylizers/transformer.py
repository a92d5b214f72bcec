"""Johnson's image transformation network: one network for one style."""

import functools
from pathlib import Path

import jax
from flax import nnx
from jaxtyping import Array, Float

from jaxvision import weights as weight_files
from jaxvision.backbones import Conv, Layered, load_state_dict, relu
from jaxvision.backbones.layers import Keys
from jaxvision.errors import InputError
from jaxvision.stylizers.layers import InstanceNorm, bounded_image, double, reflect_conv, require_side

MIN_SIDE = 8
WIDTH = 32
N_BLOCKS = 5


class TransformerNet(Layered):
    """Down to a quarter of the size, residual blocks, up again: `model(images) -> images`; see `transformer_net`.

    Args:
        width: channels at the full size; twice as many at half, four times at a quarter.
        n_blocks: residual blocks.
        key: for the initial weights.
    """

    def __init__(self, width: int = WIDTH, n_blocks: int = N_BLOCKS, *, key: Keys):
        keys = iter(jax.random.split(key, 6 + 2 * n_blocks))
        half, quarter = 2 * width, 4 * width
        layers: dict[str, nnx.Module] = {}

        def convolution(name: str, size: int, channels: int, features: int, stride: int = 1) -> None:
            layers[f"{name}.conv"] = Conv(size, channels, features, stride=stride, key=next(keys))
            layers[f"{name}.norm"] = InstanceNorm(features)

        convolution("down0", 9, 3, width)
        convolution("down1", 3, width, half, stride=2)
        convolution("down2", 3, half, quarter, stride=2)
        for index in range(n_blocks):
            convolution(f"block{index}.0", 3, quarter, quarter)
            convolution(f"block{index}.1", 3, quarter, quarter)
        convolution("up1", 3, quarter, half)
        convolution("up2", 3, half, width)
        layers["out.conv"] = Conv(9, width, 3, key=next(keys))
        self.layers = nnx.Dict(layers)
        self.n_blocks = n_blocks

    def __call__(self, images: Float[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
        """The images in the network's style.

        Args:
            images: `(N, H, W, 3)`, ImageNet-normalised (`pixels.normalize`), any size from 8 x 8 pixels.

        Returns:
            `(N, H, W, 3)`, normalised, every value within what [0, 1] maps to.

        Raises:
            InputError: if the images are smaller than 8 x 8.
        """
        require_side(images, MIN_SIDE, "the transformer network")
        h, w = images.shape[1:3]
        x = self._unit("down0", images)  # (n, h, w, width)
        x = self._unit("down1", x)  # (n, h/2, w/2, 2 width), sizes rounded up
        x = self._unit("down2", x)  # (n, h/4, w/4, 4 width)
        for index in range(self.n_blocks):
            y = self._unit(f"block{index}.0", x)
            x = x + self.layers[f"block{index}.1.norm"](reflect_conv(self.layers[f"block{index}.1.conv"], y))
        x = relu(self.layers["up1.norm"](double(self.layers["up1.conv"], x)))  # (n, h/2, w/2, 2 width)
        x = relu(self.layers["up2.norm"](double(self.layers["up2.conv"], x)))  # (n, h, w, width), or up to 3 larger
        return bounded_image(reflect_conv(self.layers["out.conv"], x[:, :h, :w]))

    def _unit(self, name: str, x: Float[Array, "n h w c"]) -> Float[Array, "n oh ow d"]:
        return relu(self.layers[f"{name}.norm"](reflect_conv(self.layers[f"{name}.conv"], x)))


def transformer_net(
    weights: str | Path | None = None,
    *,
    width: int | None = None,
    n_blocks: int | None = None,
    key: Keys | None = None,
) -> TransformerNet:
    """A network that repaints any photograph in the one style it was trained for, in one pass.

    Args:
        weights: a safetensors file written from `backbones.state_dict`, or None for random ones.
        width: channels at the full size; taken from the weights where there are any, else 32 as in the paper.
        n_blocks: residual blocks; taken from the weights where there are any, else 5 as in the paper.
        key: for random weights; `jax.random.key(0)` if not given.

    Returns:
        `model(images (N, H, W, 3) ImageNet-normalised) -> images (N, H, W, 3)`, a pytree to be passed to `jax.jit` as
        an argument. Output and input have one size, whichever it is.

    Raises:
        InputError: if the file is missing or damaged, or holds another network.

    Example:
        >>> import jax.numpy as jnp
        >>> jax.eval_shape(lambda images: transformer_net()(images), jnp.zeros((1, 9, 14, 3))).shape
        (1, 9, 14, 3)

    References:
        Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution",
        https://arxiv.org/abs/1603.08155, 2016, supplementary table 1. Departures: instance normalisation in place of
        batch normalisation (Ulyanov et al., https://arxiv.org/abs/1607.08022, 2016); resize-convolution in place of
        transposed convolution, which draws checkerboards (`double`); reflection at every border in place of one large
        reflection and residual blocks that crop; a sigmoid in place of a scaled tanh.
    """
    if weights is None:
        build = functools.partial(TransformerNet, width or WIDTH, n_blocks or N_BLOCKS)
        return jax.jit(lambda key: build(key=key))(jax.random.key(0) if key is None else key)  # quicker than op by op
    tensors = weight_files.load(Path(weights))
    first, blocks = tensors.get("down0.conv.weight"), {name.split(".")[0] for name in tensors if name[:5] == "block"}
    if first is None or first.ndim != 4 or not blocks:
        raise InputError(
            f"{weights} holds parameters of no transformer network ({', '.join(list(tensors)[:3])}, ...): "
            "give a file that `python -m experiments.fast_style --mode train --export FILE` wrote"
        )
    shapes = jax.eval_shape(lambda: TransformerNet(first.shape[0], len(blocks), key=jax.random.key(0)))
    for flag, given, found in (("width", width, first.shape[0]), ("n_blocks", n_blocks, len(blocks))):
        if given not in (None, found):
            raise InputError(f"{weights}: {flag} is {found} there, not {given}: leave {flag} out")
    return load_state_dict(shapes, tensors, source=str(weights))
