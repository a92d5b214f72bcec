"""Laws that hold for every method which takes a classifier: a table for each room, each law over all of them.

A new method adds a row to its room's table beside this file: how to run it on images, labels and keys, giving arrays
with one entry per image. Compiling is what the laws wait for: those that can share a program do.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.laws import attacks, attributions, measures, visualizations
from tests.laws.setting import (
    IMAGES,
    KEYS,
    LABELS,
    N_CLASSES,
    TRACES,
    assert_close,
    assert_same_bits,
    classifier,
    differ,
    make_weights,
    network,
)

METHODS = [*attributions.METHODS, *measures.METHODS, *visualizations.METHODS, *attacks.METHODS]


@pytest.fixture(scope="module", params=METHODS, ids=lambda method: method.name)
def method(request):
    """All laws of one method, then those of the next."""
    return request.param


@pytest.fixture(scope="module")
def expected(method):
    """What the method gives for the classifier, images, labels and keys of the setting."""
    return jax.tree.map(np.asarray, method.run(classifier(), IMAGES, LABELS, KEYS))


class Module(nnx.Module):
    def __init__(self, weights):
        self.weights = nnx.data({name: nnx.Param(value) for name, value in weights.items()})

    def __call__(self, images):
        return network({name: value[...] for name, value in self.weights.items()}, images)


def test_jit_is_eager_and_a_module_is_a_classifier(method, expected):
    compiled = jax.jit(method.run)(Module(make_weights(0)), IMAGES, LABELS, KEYS)
    assert_close(compiled, expected)
    with jax.disable_jit():
        assert_close(method.run(classifier(), IMAGES, LABELS, KEYS), compiled)


def test_batch_is_a_loop_of_singles_and_a_module_is_a_classifier(method, expected):
    logits_fn = Module(make_weights(0))
    for i in range(3):
        single = method.run(logits_fn, *(np.asarray(x)[i : i + 1] for x in (IMAGES, LABELS)), KEYS[i : i + 1])
        assert_close({name: value[i : i + 1] for name, value in expected.items()}, single)


def test_neighbours_do_not_matter(method, expected):
    after = method.run(classifier(), np.asarray(IMAGES)[[0, 2, 1]], np.array([3, 1, 1]), KEYS[np.array([0, 2, 1])])
    first_before, first_after = (
        jax.tree.map(lambda value: np.asarray(value)[0], result) for result in (expected, after)
    )
    assert_same_bits(first_before, first_after)
    assert differ(expected, after)


def test_same_seed_same_bits(method, expected):
    assert_same_bits(method.run(classifier(), IMAGES, LABELS, KEYS), expected)


def test_another_key_matters_exactly_to_random_methods(method, expected):
    other = method.run(classifier(), IMAGES, LABELS, jax.random.split(jax.random.key(2), 3))
    assert method.random == differ(expected, other)


def test_one_trace_for_all_weights_images_and_labels(method, expected):
    before = len(TRACES)
    results = [
        method.run(classifier(seed), IMAGES + float(seed), (LABELS + seed) % N_CLASSES, KEYS) for seed in range(3)
    ]
    assert len(TRACES) == before
    assert_same_bits(results[0], expected)
    assert differ(results[0], results[1])


def test_closures_are_classifiers(method, expected):
    weights = make_weights(0)

    def closure(images):
        return network(weights, images)

    before = len(TRACES)
    assert_close(method.run(closure, IMAGES, LABELS, KEYS), expected)
    assert len(TRACES) > before  # what is compiled anew is counted
    under_jit = jax.jit(lambda w, images: method.run(lambda x: network(w, x), images, LABELS, KEYS))
    assert_close(under_jit(weights, IMAGES), expected)


def test_numpy_goes_in_and_float64_stays(method):
    with jax.enable_x64(True):
        images, labels = np.asarray(IMAGES, np.float64), np.asarray(LABELS)
        result = method.run(classifier(dtype=jnp.float64), images, labels, KEYS)
        assert {value.dtype for value in result.values()} <= {np.dtype(d) for d in ("float64", "bool", "int32")}
        assert any(value.dtype == np.float64 for value in result.values())
