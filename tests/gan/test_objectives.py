"""Objectives by hand: the values at the optimal discriminator, and how Dirac's GAN turns around its fixed point."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision import gan

OBJECTIVES = {
    "minimax": gan.MINIMAX,
    "non-saturating": gan.NON_SATURATING,
    "least squares": gan.LEAST_SQUARES,
    "hinge": gan.HINGE,
    "softplus margin": gan.SOFTPLUS_MARGIN,
    "Wasserstein": gan.WASSERSTEIN,
    "relativistic average": gan.RELATIVISTIC_AVERAGE,
}
every_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
# Two distributions over four things, and how often each thing is drawn from them.
P, Q = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.1, 0.2, 0.2, 0.5])


def kl(p, q):
    return np.sum(p * np.log(p / q))


def expected(loss, scores):
    """The loss with real images drawn from P and generated ones from Q; scores are of the four things."""
    real, fake = np.meshgrid(scores, scores, indexing="ij")
    values = loss(jnp.asarray(real.ravel(), jnp.float32), jnp.asarray(fake.ravel(), jnp.float32))
    return float(np.sum(np.outer(P, Q).ravel() * np.asarray(values, np.float64)))


def test_minimax_at_the_optimum_is_two_jensen_shannon_divergences_less_log_4():
    optimal = np.log(P / Q)
    divergence = (kl(P, (P + Q) / 2) + kl(Q, (P + Q) / 2)) / 2
    value = expected(gan.MINIMAX.discriminator, optimal)
    np.testing.assert_allclose(-value, 2 * divergence - np.log(4), rtol=1e-6)
    assert expected(gan.MINIMAX.discriminator, optimal + 0.1) > value
    fooled = float(np.sum(Q * np.asarray(gan.MINIMAX.generator(jnp.asarray(optimal, jnp.float32)))))
    np.testing.assert_allclose(fooled, np.sum(Q * np.log(Q / (P + Q))), rtol=1e-6)


def test_least_squares_at_the_optimum_is_pearsons_chi_square():
    """Labels 1 and -1, target 0: twice both expectations of the generator's loss is chi-square of P + Q and 2 Q."""
    optimal = (P - Q) / (P + Q)
    loss = functools.partial(gan.least_squares_loss, fake_label=-1.0)
    assert expected(loss, optimal + 0.05) > expected(loss, optimal)
    value = np.asarray(gan.least_squares_generator_loss(jnp.asarray(optimal, jnp.float32), target=0.0), np.float64)
    np.testing.assert_allclose(2 * np.sum((P + Q) * value), np.sum((2 * Q - (P + Q)) ** 2 / (P + Q)), rtol=1e-5)


def test_hinge_at_the_optimum_is_two_less_the_total_variation():
    """The optimal score is the sign of P - Q."""
    value = expected(gan.HINGE.discriminator, np.sign(P - Q))
    np.testing.assert_allclose(value, 2 * np.sum(np.minimum(P, Q)), rtol=1e-6)


def test_softplus_margin_lies_between_cross_entropy_and_hinge():
    real, fake = jnp.linspace(-3, 3, 7), jnp.linspace(2, -2, 7)
    without = gan.softplus_margin_loss(real, fake, margin=0.0)
    np.testing.assert_allclose(without, gan.cross_entropy_loss(real, fake), rtol=1e-6)
    sharp = gan.softplus_margin_loss(1000 * real, 1000 * fake, margin=1000.0) / 1000
    np.testing.assert_allclose(sharp, gan.hinge_loss(real, fake), atol=1e-2)


def test_wasserstein_is_the_distance_for_the_best_lipschitz_critic():
    """On a line, things one apart: the distance is the area between the cumulative distributions."""
    slopes = -np.sign(np.cumsum(P - Q))[:-1]
    critic = np.concatenate([[0.0], np.cumsum(slopes)])
    value = -expected(gan.WASSERSTEIN.discriminator, critic)
    np.testing.assert_allclose(value, np.abs(np.cumsum(P - Q)).sum(), rtol=1e-6)


def test_smooth_labels_move_the_optimum_as_a_cross_entropy_does():
    """One-sided: the optimum is the logit of 0.9 P / (P + Q); a mere factor of 0.9 would not give this."""
    share = 0.9 * P / (P + Q)
    optimal = jnp.asarray(np.log(share / (1 - share)), jnp.float32)

    def loss(scores):
        real = gan.cross_entropy_loss(scores, jnp.zeros(4), real_label=0.9)
        fake = gan.cross_entropy_loss(jnp.zeros(4), scores, real_label=0.9)
        return jnp.sum(jnp.asarray(P, jnp.float32) * real + jnp.asarray(Q, jnp.float32) * fake)

    np.testing.assert_allclose(jax.grad(loss)(optimal), 0, atol=1e-6)


def test_a_relativistic_loss_by_hand():
    real, fake = np.array([1.0, 3.0]), np.array([0.0, -1.0])
    softplus = lambda x: np.log1p(np.exp(x))  # noqa: E731
    arguments = jnp.asarray(real, jnp.float32), jnp.asarray(fake, jnp.float32)
    by_hand = softplus(-(real - fake.mean())) + softplus(fake - real.mean())
    np.testing.assert_allclose(gan.RELATIVISTIC_AVERAGE.discriminator(*arguments), by_hand, rtol=1e-6)
    by_hand = softplus(-(fake - real.mean())) + softplus(real - fake.mean())
    np.testing.assert_allclose(gan.RELATIVISTIC_AVERAGE.generator(*arguments[::-1]), by_hand, rtol=1e-6)


def dirac_gan(objective, regularizer=lambda psi: 0.0 * psi):
    """The Jacobian of the gradient flow at (0, 0): real data at 0, generated at theta, the critic's slope is psi."""

    def generator_loss(theta, psi):
        return jnp.sum(objective.generator((psi * theta)[None], 0.0 * psi[None]))

    def critic_loss(theta, psi):
        return jnp.sum(objective.discriminator(0.0 * psi[None], (psi * theta)[None])) + regularizer(psi)

    def flow(point):
        return -jnp.stack([jax.grad(generator_loss)(*point), jax.grad(critic_loss, 1)(*point)])

    jacobian = jax.jit(jax.jacfwd(flow))(jnp.zeros(2))
    return sorted(np.linalg.eigvals(np.asarray(jacobian, np.float64)), key=lambda value: (value.real, value.imag))


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (gan.MINIMAX, 0.5j),
        (gan.NON_SATURATING, 0.5j),
        (gan.WASSERSTEIN, 1j),
        (gan.HINGE, 1j),
        (gan.SOFTPLUS_MARGIN, 1j / np.sqrt(1 + np.exp(-1))),
        (gan.RELATIVISTIC_AVERAGE, 1j),
        (
            gan.Objective(functools.partial(gan.least_squares_loss, fake_label=-1.0), gan.least_squares_generator_loss),
            1j,
        ),
    ],
)
def test_diracs_gan_circles(objective, expected):
    """Mescheder et al., 2018, lemma 2.3: the eigenvalues are +-f'(0) i, and nothing converges."""
    np.testing.assert_allclose(dirac_gan(objective), [-expected, expected], atol=1e-6)


@pytest.mark.parametrize("gamma", [0.3, 4.0])
def test_diracs_gan_converges_with_r1(gamma):
    """Mescheder et al., 2018, lemma 4.2: -gamma / 2 +- sqrt(gamma^2 / 4 - f'(0)^2), below and above criticality."""

    def penalty(psi):
        return gamma / 2 * jnp.sum(gan.r1_penalty(lambda x: psi * x[:, 0], jnp.zeros((1, 1))))

    root = np.sqrt(complex(gamma**2 / 4 - 0.25))
    found = dirac_gan(gan.NON_SATURATING, penalty)
    np.testing.assert_allclose(found, [-gamma / 2 - root, -gamma / 2 + root], atol=1e-6)
    assert max(value.real for value in found) < 0


@every_objective
def test_any_logits_have_finite_losses_and_gradients(objective):
    real, fake = jnp.array([-1e4, 0.0, 1e4]), jnp.array([1e4, 0.0, -1e4])
    for loss, arguments in ((objective.discriminator, (real, fake)), (objective.generator, (fake, real))):
        value, gradient = jax.value_and_grad(lambda *a, loss=loss: jnp.sum(loss(*a)), (0, 1))(*arguments)
        assert np.isfinite([value, *np.concatenate(gradient)]).all()


@every_objective
def test_gradients_are_finite_differences(objective):
    with jax.enable_x64(True):
        real, fake = (jnp.asarray(np.random.default_rng(k).normal(size=5)) for k in (0, 1))

        @jax.jit
        def both(real, fake):
            return objective.discriminator(real, fake) + 2 * objective.generator(fake, real)

        assert both(real, fake).dtype == jnp.float64
        check_grads(both, (real, fake), order=1, modes=["rev"], atol=1e-6, rtol=1e-6, eps=1e-6)


def test_the_mean_is_of_the_losses():
    real, fake = jnp.array([0.5, -2.0]), jnp.array([1.0, 0.0])
    found = gan.batch_mean(gan.hinge_loss)(real, fake)
    np.testing.assert_allclose(found, np.mean([0.5 + 2.0, 3.0 + 1.0]))
