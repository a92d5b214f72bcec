import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import STAGES, apgd, autoattack, square
from jaxvision.errors import InputError

KEYS = jax.random.split(jax.random.key(1), 5)
SETTINGS = {"eps": 0.2, "n_steps": 10, "n_queries": 100, "key": KEYS}
SMOOTH, STAIRS, ROBUST = 0.0, 0.5, 1.0  # the first row of an image, which no attack can change into another's
KINDS = jnp.array([SMOOTH, STAIRS, ROBUST, SMOOTH, STAIRS])
IMAGES = jnp.full((5, 5, 4, 1), 0.5).at[:, 0].set(KINDS[:, None, None])
LABELS = np.array([0, 0, 0, 1, 0])  # the fourth is wrong from the first


def logits_fn(images):
    """Brightness fools: along a slope, up stairs that have no gradient, or not at all, as the first row says."""
    kind, brightness = images[:, 0].mean(axis=(1, 2)), images[:, 1:].mean(axis=(1, 2, 3)) - 0.5
    lead = jnp.where(kind < 0.25, 1 - 8 * brightness, 1 - jnp.round(40 * brightness) / 5)
    lead = jnp.where(kind > 0.75, 1.0, lead)
    return jnp.stack([lead, 0 * lead, 0 * lead - 1, 0 * lead - 2], axis=1)


def test_each_image_is_told_by_the_first_attack_that_fools_it():
    result = autoattack(logits_fn, IMAGES, LABELS, **SETTINGS)
    assert [STAGES[i] if i >= 0 else "robust" for i in result.stage] == ["apgd", "square", "robust", "none", "square"]
    np.testing.assert_array_equal(result.success, logits_fn(result.images).argmax(axis=1) != LABELS)
    np.testing.assert_array_equal(result.images[2:4], IMAGES[2:4])
    np.testing.assert_array_equal(result.size, jnp.max(jnp.abs(result.images - IMAGES), axis=(1, 2, 3)))
    assert (result.size <= 0.2 + 1e-6).all()
    keys = [jax.vmap(jax.random.fold_in, (0, None))(KEYS, number) for number in (1, 4)]
    first = apgd(logits_fn, IMAGES, LABELS, eps=0.2, n_steps=10, key=keys[0])
    last = square(logits_fn, IMAGES, LABELS, eps=0.2, n_steps=100, key=keys[1])
    np.testing.assert_array_equal(first.success, [True, False, False, True, False])
    np.testing.assert_array_equal(result.images[0], first.images[0])
    np.testing.assert_allclose(result.images[jnp.array([1, 4])], last.images[jnp.array([1, 4])], atol=1e-6)


def test_result_does_not_depend_on_the_batches():
    whole = autoattack(logits_fn, IMAGES, LABELS, **SETTINGS)
    parts = autoattack(logits_fn, IMAGES, LABELS, batch_size=2, **SETTINGS)
    np.testing.assert_allclose(parts.images, whole.images, atol=1e-6)
    np.testing.assert_array_equal(parts.stage, whole.stage)
    order = jnp.array([4, 2, 0])
    some = autoattack(logits_fn, IMAGES[order], LABELS[order], batch_size=2, **SETTINGS | {"key": KEYS[order]})
    np.testing.assert_array_equal(some.images, parts.images[order])
    np.testing.assert_array_equal(some.stage, parts.stage[order])


def test_fooled_images_do_not_go_on():
    """A number of queries that would take days; and each attack is compiled once, for one size of batch."""
    sizes = []

    def counted(images):
        sizes.append(len(images))
        return logits_fn(images)

    images = jnp.repeat(IMAGES[:1], 5, axis=0)
    result = autoattack(counted, images, np.zeros(5, int), batch_size=2, **SETTINGS | {"n_queries": 10**9})
    np.testing.assert_array_equal(result.stage, 1)
    assert set(sizes) == {5, 2}  # the labels are looked at in one piece


def test_other_weights_are_no_new_program_and_the_same_seed_gives_the_same_bits():
    traces = []

    def scaled(weight, images):
        traces.append(images.shape)
        return weight * logits_fn(images)

    def run(weight, keys):
        classifier = jax.tree_util.Partial(scaled, jnp.float32(weight))
        few = {"n_steps": 3, "n_queries": 3, "n_target_classes": 1, "key": keys}
        return autoattack(classifier, IMAGES[:2], LABELS[:2], eps=0.2, **few)

    once = run(1.0, KEYS[:2])
    before = len(traces)
    again, _, other_key = run(1.0, KEYS[:2]), run(0.5, KEYS[:2]), run(1.0, KEYS[2:4])
    assert len(traces) == before > 0
    jax.tree.map(np.testing.assert_array_equal, once, again)
    assert not np.array_equal(once.images, other_key.images)


def test_nothing_to_attack():
    result = autoattack(logits_fn, IMAGES[:0], LABELS[:0], **SETTINGS | {"key": KEYS[:0]})
    assert result.images.shape == (0, 5, 4, 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"eps": -0.1}, "eps must be zero or more, got -0.1"),
        ({"batch_size": 0}, "batch_size of at least 1, got 0"),
        ({"bounds": (0.0, 0.5)}, r"images must lie within bounds, got values up to 1\.0"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        autoattack(logits_fn, IMAGES, LABELS, **SETTINGS | arguments)


def test_inside_a_compiled_function_is_one_sentence():
    with pytest.raises(InputError, match=r"call it outside of jax\.jit"):
        jax.jit(lambda images: autoattack(logits_fn, images, LABELS, **SETTINGS))(IMAGES)
