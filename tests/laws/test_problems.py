"""Laws of the pixel loop's problems: gradients, and runs in chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.adversarial import fooling_problem
from jaxvision.pixels import advance, start, start_from_noise
from jaxvision.visualization import class_visualization_problem
from tests.laws.setting import IMAGES, KEYS, LABELS, SHAPE, TRACES, assert_same_bits, classifier


def fooling_state(logits_fn):
    problem = fooling_problem(logits_fn, LABELS, learning_rate=0.5)
    return problem, start(problem, IMAGES)


def visualization_state(logits_fn):
    problem = class_visualization_problem(logits_fn, LABELS, learning_rate=1.0, blur_every=2, max_jitter=2)
    return problem, start_from_noise(problem, 3, key=KEYS, image_shape=SHAPE)


PROBLEMS = [fooling_state, visualization_state]

every_problem = pytest.mark.parametrize("begin", PROBLEMS, ids=lambda begin: begin.__name__)


@every_problem
def test_gradient_is_the_finite_difference(begin):
    with jax.enable_x64(True):
        problem, _ = begin(classifier(dtype=jnp.float64))
        images = jnp.asarray(np.random.default_rng(0).normal(size=(3, *SHAPE)))
        check_grads(
            lambda x: problem.objective(jnp.asarray(x))[0],  # the differences are taken in NumPy
            (images,),
            order=1,
            modes=["rev"],
            atol=1e-6,
            rtol=1e-6,
            eps=1e-5,
        )


@every_problem
def test_chunks_are_one_run_bit_for_bit(begin):
    problem, state = begin(classifier())
    whole, trace = advance(problem, state, n_steps=6)
    traces = []
    for _ in range(3):
        state, part = advance(problem, state, n_steps=2)
        traces.append(part)
    assert_same_bits(state.images, whole.images)
    assert_same_bits(jax.tree.map(lambda *parts: np.concatenate(parts), *traces), trace)


@every_problem
def test_chunks_and_rebuilt_problems_are_traced_once(begin):
    step = jax.jit(advance, static_argnames="n_steps")
    for seed in range(3):
        problem, state = begin(classifier(seed))
        for _ in range(3):
            state, _ = step(problem, state, n_steps=2)
        first = len(TRACES) if seed == 0 else first
    assert len(TRACES) == first
