import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import fooling_image
from jaxvision.errors import InputError
from jaxvision.pixels import ClipNormalized, margin

WEIGHTS = jax.random.normal(jax.random.key(1), (4, 3, 2, 5))
IMAGES = jax.random.normal(jax.random.key(0), (6, 4, 3, 2))


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


PREDICTED = linear(IMAGES).argmax(axis=1)
TARGETS = (PREDICTED + 1) % 5


def test_linear_classifier_is_fooled_along_the_targets_weights():
    """Its gradient is constant, so the image after t steps and the number of steps are known."""
    result = fooling_image(linear, IMAGES, TARGETS, learning_rate=0.25, n_steps=100)
    directions = jnp.moveaxis(WEIGHTS[..., TARGETS], -1, 0)
    directions = directions / jnp.linalg.norm(directions.reshape(6, -1), axis=1)[:, None, None, None]
    for i in range(6):
        t = int(result.steps[i])
        walk = IMAGES[i : i + 1] + 0.25 * jnp.arange(t + 1.0)[:, None, None, None] * directions[i : i + 1]
        np.testing.assert_allclose(result.images[i], walk[t], rtol=1e-4, atol=1e-5)
        predictions = np.asarray(linear(walk).argmax(axis=1))
        assert predictions[t] == TARGETS[i]
        assert (predictions[:t] != TARGETS[i]).all()
    assert result.success.all()
    assert (linear(result.images).argmax(axis=1) == TARGETS).all()
    assert len(np.unique(result.steps)) > 1


def test_target_logit_rises_and_the_margin_ends_positive():
    result = fooling_image(linear, IMAGES, TARGETS, learning_rate=0.25, n_steps=100)
    for i in range(6):
        rows = int(result.steps[i]) + 1
        assert (np.diff(result.trace["target_logit"][:rows, i]) > 0).all()
        assert result.trace["margin"][rows - 1, i] > 0 >= result.trace["margin"][rows - 2, i]
        assert np.isnan(result.trace["margin"][rows:, i]).all()
    np.testing.assert_array_equal(result.trace["loss"], -result.trace["target_logit"])


def test_the_present_class_takes_no_step():
    result = fooling_image(linear, IMAGES, PREDICTED)
    assert result.success.all()
    assert (result.steps == 0).all()
    np.testing.assert_array_equal(result.images, IMAGES)


def test_too_few_steps_are_reported_as_failure():
    result = fooling_image(linear, IMAGES, TARGETS, learning_rate=1e-4, n_steps=3)
    assert not result.success.any()
    assert (result.steps == 3).all()
    assert np.isfinite(result.trace["margin"]).all()


def test_success_by_the_very_last_step_counts():
    needed = fooling_image(linear, IMAGES, TARGETS, learning_rate=0.25, n_steps=100).steps
    result = fooling_image(linear, IMAGES, TARGETS, learning_rate=0.25, n_steps=int(needed.min()))
    np.testing.assert_array_equal(result.success, needed == needed.min())


def test_zero_gradient_leaves_the_image_finite():
    def flat(images):
        return jnp.stack([images.sum((1, 2, 3)) * 0 + 1, images.sum((1, 2, 3)) * 0], axis=1)

    result = fooling_image(flat, IMAGES, jnp.ones(6, jnp.int32), n_steps=3)
    np.testing.assert_array_equal(result.images, IMAGES)
    assert not result.success.any()


def test_projection_keeps_the_image_displayable():
    clip = ClipNormalized((0.5, 0.5), (0.25, 0.25))
    result = fooling_image(linear, clip(IMAGES, 0), TARGETS, learning_rate=0.25, n_steps=200, project=clip)
    assert np.abs(result.images).max() <= 2
    assert result.success.all()


def test_margin_wins_where_a_kindred_class_climbs_as_fast():
    """Class 1 is class 0 and a little more along another pixel: the logit of 0 alone never overtakes it."""

    def kindred(images):
        a, b = images[:, 0, 0, 0], images[:, 0, 1, 0]
        return jnp.stack([a, a + b, -a], axis=1)

    image = jnp.array([0.0, 2.0]).reshape(1, 1, 2, 1)
    logit = fooling_image(kindred, image, [0], n_steps=50)
    assert not logit.success.item()
    assert logit.trace["target_logit"][-1, 0] == 49
    lead = fooling_image(kindred, image, [0], n_steps=50, score=margin)
    assert lead.success.item()
    assert lead.steps.item() == 3  # b falls from 2 by one each step, a tie does not count
    np.testing.assert_array_equal(lead.trace["loss"], -lead.trace["margin"])


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match=r"targets must lie in \[0, 5\), the classifier's 5 classes, got 5"):
        fooling_image(linear, IMAGES, [5] * 6)
    with pytest.raises(InputError, match=r"targets must be one class index per image, shape \(6,\)"):
        fooling_image(linear, IMAGES, [0])


@pytest.mark.peers
def test_loop_is_the_assignments_in_pytorch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.Tanh(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(16, 7),
    )  # fmt: skip
    kernel, bias, w, b = (p.detach().numpy() for p in net.parameters())

    def logits_fn(images):
        features = jax.lax.conv_general_dilated(
            images, kernel.transpose(2, 3, 1, 0), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jnp.tanh(features + bias[None, None, None]).mean(axis=(1, 2)) @ w.T + b[None]

    images = np.random.default_rng(0).normal(size=(7, 9, 8, 3)).astype(np.float32)
    targets = np.arange(7)
    result = fooling_image(logits_fn, images, targets, learning_rate=1.0, n_steps=100)
    for i, target in enumerate(targets):
        x, steps = torch.tensor(images[i : i + 1].transpose(0, 3, 1, 2), requires_grad=True), 0
        while (scores := net(x)).argmax() != target and steps < 100:
            (gradient,) = torch.autograd.grad(scores[0, target], x)
            x, steps = (x + gradient / gradient.norm()).detach().requires_grad_(), steps + 1
        assert result.steps[i] == steps
        np.testing.assert_allclose(result.images[i], x.detach()[0].permute(1, 2, 0), rtol=1e-4, atol=1e-4)
        assert result.success[i] == (steps < 100)
    assert result.success.any()
    assert result.steps.max() > 3
