"""Both networks: any size, each image on its own, finite-difference gradients, files, and PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import weights
from jaxvision.backbones import features_fn, load_state_dict, squeezenet1_1, state_dict
from jaxvision.errors import InputError
from jaxvision.pixels import denormalize
from jaxvision.stylizers import AdaINDecoder, adain_decoder, adain_stylize, decode, encode, transformer_net


def random(build):
    """A network with random weights, without compiling anything for them."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: 0.3 * rng.standard_normal(leaf.shape, np.float32), jax.eval_shape(build))


@pytest.fixture(scope="module")
def small():
    return random(lambda: transformer_net(width=2, n_blocks=1))


def encoder(images):
    """Colours and their products at a quarter of the size, borders cut as SqueezeNet cuts them."""
    rows, columns = ((side - 3) // 4 * 4 for side in images.shape[1:3])
    n = len(images)
    pooled = images[:, 1 : rows + 1, 1 : columns + 1].reshape(n, rows // 4, 4, columns // 4, 4, 3).mean(axis=(2, 4))
    return {"quarter": jnp.concatenate([pooled, pooled**2], axis=-1), "flat": pooled.mean(axis=(1, 2))}


def pictures(*shape):
    return jax.random.normal(jax.random.key(3), (*shape, 3))


@pytest.fixture(scope="module")
def run():
    return jax.jit(lambda model, images: model(images))


def test_any_size_comes_out_as_it_went_in_whatever_the_batch(small, run):
    images = 5 * pictures(2, 9, 23)
    found = run(small, images)
    assert found.shape == images.shape
    shown = np.asarray(denormalize(found))
    assert shown.min() >= -1e-6
    assert shown.max() <= 1 + 1e-6
    np.testing.assert_allclose(found[1:], run(small, images[1:]), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(8, 8), (10, 31), (64, 12), (33, 34)])
def test_every_size_comes_out_as_it_went_in(small, run, size):
    assert run(small, pictures(1, *size)).shape == (1, *size, 3)


def test_too_small_an_image_is_refused(small):
    with pytest.raises(InputError, match="at least 8 x 8 pixels, got 7 x 20"):
        small(pictures(1, 7, 20))
    decoder = jax.eval_shape(lambda: adain_decoder(encoder, "quarter"))
    with pytest.raises(InputError, match="at least 17 x 17 pixels, got 16 x 40"):
        adain_stylize(encoder, decoder, pictures(1, 16, 40), pictures(1, 32, 32), layer="quarter")


def test_shape_is_read_from_the_file(small, tmp_path):
    weights.save(tmp_path / "small.safetensors", state_dict(small))
    found = transformer_net(tmp_path / "small.safetensors")
    assert found.n_blocks == 1
    jax.tree.map(np.testing.assert_array_equal, state_dict(found), state_dict(small))
    with pytest.raises(InputError, match="width is 2 there, not 4"):
        transformer_net(tmp_path / "small.safetensors", width=4)


def test_a_file_of_another_network_is_refused(tmp_path):
    weights.save(tmp_path / "other.safetensors", {"features.0.weight": np.zeros((3, 3), np.float32)})
    with pytest.raises(InputError, match="no transformer network"):
        transformer_net(tmp_path / "other.safetensors")


@pytest.mark.parametrize("layer", ["features.99", "flat"])
def test_an_unknown_layer_is_refused(layer):
    with pytest.raises(InputError, match=f"no layer '{layer}' among the feature maps"):
        adain_decoder(encoder, layer)


def test_any_size_and_any_style():
    decoder = random(lambda: adain_decoder(encoder, "quarter"))
    run = jax.jit(lambda d, c, s, a: adain_stylize(encoder, d, c, s, layer="quarter", alpha=a))
    content, style = pictures(2, 18, 33), pictures(1, 24, 31)
    found = run(decoder, content, style, jnp.array([1.0, 0.0]))
    assert found.shape == content.shape
    unstyled = run(decoder, content, 3 * style, jnp.array([0.0, 0.0]))
    np.testing.assert_allclose(found[1], unstyled[1], atol=1e-5)  # alpha 0: whatever the style
    assert np.abs(np.asarray(found[0] - unstyled[0])).max() > 1e-3


class Nearest(AdaINDecoder):
    """Draws each feature as a square of its colour: what it draws is where the features are."""

    def __init__(self):
        self.doublings = 2

    def __call__(self, features):
        return features[..., :3].repeat(4, axis=1).repeat(4, axis=2)


def test_whatever_the_size_an_image_is_drawn_in_its_place():
    rows = jnp.broadcast_to(jnp.arange(40.0)[:, None, None], (40, 52, 3))[None]
    for side in (33, 34, 35, 36, 40):
        encoded = encode(encoder, rows[:, :side])["quarter"]
        drawn = decode(Nearest(), encoded, (side, 52))
        np.testing.assert_allclose((drawn - rows[:, :side])[0, 4:24].mean(), -1.0, atol=1e-5)  # what was cut above


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["features.3", "features.4", "features.7", "features.12"])
@pytest.mark.parametrize("side", [17, 18, 31, 64, 65])
def test_every_layer_draws_the_whole_image(layer, side):
    def stylize(model, images):
        encoder = features_fn(model)
        return adain_stylize(encoder, adain_decoder(encoder, layer), images, images, layer=layer)

    shape = jax.eval_shape(stylize, jax.eval_shape(squeezenet1_1), pictures(1, side, side + 1)).shape
    assert shape == (1, side, side + 1, 3)


@pytest.mark.peers
def test_the_transformer_equals_pytorchs():
    torch = pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    from experiments.peers_style import TransformerNet

    model = transformer_net(width=4, n_blocks=2, key=jax.random.key(2))
    tensors = {
        name: np.random.default_rng(len(name)).normal(size=value.shape).astype(np.float32) * 0.2 + (value.ndim == 1)
        for name, value in state_dict(model).items()
    }
    model = load_state_dict(model, tensors)
    net = TransformerNet(4, 2)
    net.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    for size in ((32, 40), (21, 34)):
        images = pictures(2, *size)
        with torch.no_grad():
            expected = net(torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        np.testing.assert_allclose(model(images), expected, atol=1e-4)
