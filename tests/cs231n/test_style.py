"""The assignment's losses of style transfer, against NumPy."""

import jax
import numpy as np

from jaxvision import cs231n

X = jax.random.normal(jax.random.key(0), (3, 6, 5, 3))


def test_losses_of_style_transfer_are_sums():
    """Conventions of the notebook, in NumPy: sums of squares, Gram matrices over H * W * C."""
    x, y = np.asarray(X[:1], np.float64), np.asarray(X[1:2], np.float64)

    def gram(f):
        return np.einsum("nhwc,nhwd->ncd", f, f) / f[0].size

    np.testing.assert_allclose(cs231n.content_loss(0.3, X[:1], X[1:2]), 0.3 * ((x - y) ** 2).sum(), rtol=1e-5)
    np.testing.assert_allclose(cs231n.gram_matrix(X[:1]), gram(x), rtol=1e-4, atol=1e-6)
    edges = ((x[:, 1:] - x[:, :-1]) ** 2).sum() + ((x[:, :, 1:] - x[:, :, :-1]) ** 2).sum()
    np.testing.assert_allclose(cs231n.tv_loss(X[:1], 0.7), 0.7 * edges, rtol=1e-5)
    feats, targets = [X[:1], X[1:2], X[2:]], [cs231n.gram_matrix(X[1:2]), cs231n.gram_matrix(X[:1])]
    expected = 2 * ((gram(x) - gram(y)) ** 2).sum() + 5 * ((gram(np.asarray(X[2:], np.float64)) - gram(x)) ** 2).sum()
    np.testing.assert_allclose(cs231n.style_loss(feats, [0, 2], targets, [2, 5]), expected, rtol=1e-4)
