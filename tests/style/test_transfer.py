"""The transfer: its corners have closed forms, its laws are those of the pixel loop."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import style
from jaxvision.errors import InputError
from jaxvision.pixels import advance, start

CONTENT = jax.random.uniform(jax.random.key(0), (1, 8, 10, 3), minval=-1.0)
STYLE = jax.random.uniform(jax.random.key(1), (1, 6, 6, 3), minval=-1.0)
LAYERS = {"content_layers": {"half": 1.0}, "style_layers": {"pixels": 1.0, "half": 0.5}}
WEIGHTS = {"content_weight": 0.3, "tv_weight": 0.01}


def features(images):
    """Pixels, and a smooth mixture of them at half the size."""
    mixed = jnp.tanh(images @ jnp.array([[1.0, 0.5], [-0.5, 1.0], [0.2, -1.0]]))
    return {
        "pixels": images,
        "half": jax.lax.reduce_window(mixed, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
    }


def run(content=CONTENT, styles=(STYLE,), **settings):
    return style.transfer(features, content, list(styles), **{"n_steps": 20, **LAYERS, **WEIGHTS, **settings})


@pytest.fixture(scope="module")
def begun():
    """A run of three steps."""
    targets = style.style_targets(features, CONTENT, [STYLE], **LAYERS)
    problem = style.style_problem(features, targets, style.adam())
    return advance(problem, start(problem, CONTENT), n_steps=3)[0]


def test_loss_is_the_sum_of_its_terms_and_falls():
    result = run()
    terms = {name: value for name, value in result.traces[0].items() if name != "loss"}
    assert set(terms) == {"content/half", "style/pixels", "style/half", "tv"}
    np.testing.assert_allclose(sum(terms.values()), result.traces[0]["loss"], rtol=1e-5)
    assert result.final["loss"][0] < result.traces[0]["loss"][0, 0]


def test_terms_are_the_losses_by_hand():
    image = STYLE.repeat(2, axis=1)[:, :8].repeat(2, axis=2)[:, :, :10]
    result = run(init=image, n_steps=1)
    found, wanted, aim = features(image), features(CONTENT), features(STYLE)
    gram = {layer: style.gram_distance(style.gram_matrix(found[layer]), style.gram_matrix(aim[layer])) for layer in aim}
    first = {name: value[0] for name, value in result.traces[0].items()}
    np.testing.assert_allclose(first["content/half"], 0.3 * jnp.mean((found["half"] - wanted["half"]) ** 2), rtol=1e-5)
    np.testing.assert_allclose(first["style/pixels"], gram["pixels"], rtol=1e-5)
    np.testing.assert_allclose(first["style/half"], 0.5 * gram["half"], rtol=1e-5)
    np.testing.assert_allclose(first["tv"], 0.01 * style.total_variation_loss(image), rtol=1e-5)


def test_without_style_the_content_comes_back():
    layers = {"content_layers": {"pixels": 1.0}, "style_layers": {}}
    result = style.transfer(lambda x: {"pixels": x}, CONTENT, [], init=0 * CONTENT, n_steps=200, **layers)
    np.testing.assert_allclose(result.images, CONTENT, atol=0.05)


def test_without_content_the_statistics_of_the_style_come():
    noise = jax.random.normal(jax.random.key(2), CONTENT.shape)
    result = run(content_weight=0.0, tv_weight=0.0, init=noise, n_steps=300, content_layers={})
    wanted, found = style.gram_matrix(STYLE), style.gram_matrix(result.images)
    np.testing.assert_allclose(found, wanted, atol=0.01)
    assert set(result.final) == {"loss", "style/pixels", "style/half", "tv"}


def test_two_styles_add_up_with_their_weights():
    other = -STYLE
    both = run(styles=[STYLE, other], style_weights=[2.0, 3.0], n_steps=1).traces[0]
    one, two = (run(styles=[picture], n_steps=1).traces[0] for picture in (STYLE, other))
    for layer in ("style/pixels", "style/half"):
        np.testing.assert_allclose(both[layer], 2 * one[layer] + 3 * two[layer], rtol=1e-5)


def test_a_region_confines_a_style():
    """Without content, the left half takes on the style and the right half does not move."""
    left = jnp.zeros((1, 8, 10)).at[:, :, :5].set(1.0)
    settings = {"content_weight": 0.0, "tv_weight": 0.0, "style_layers": {"pixels": 1.0}, "content_layers": {}}
    result = run(regions=[left], n_steps=200, **settings)
    np.testing.assert_allclose(result.images[:, :, 5:], CONTENT[:, :, 5:], atol=1e-5)
    np.testing.assert_allclose(style.gram_matrix(result.images[:, :, :5]), style.gram_matrix(STYLE), atol=0.01)


def test_a_contact_sheet_is_a_loop_of_singles():
    weights = jnp.array([0.1, 1.0, 10.0])
    sheet = run(content=jnp.broadcast_to(CONTENT, (3, *CONTENT.shape[1:])), content_weight=weights)
    for i, weight in enumerate(weights):
        single = run(content_weight=float(weight))
        np.testing.assert_allclose(sheet.images[i], single.images[0], rtol=1e-4, atol=1e-4)


def test_coarse_to_fine_ends_at_the_last_size():
    result = run(sizes=[4, 8], n_steps=[10, 5])
    assert result.images.shape == CONTENT.shape
    assert [len(trace["loss"]) for trace in result.traces] == [10, 5]


def test_a_larger_size_carries_what_adam_knows(begun):
    larger = style.rescaled(begun, (16, 20))
    assert larger.images.shape == (1, 16, 20, 3)
    adam, grown = begun.optimizer_state.inner[0], larger.optimizer_state.inner[0]
    assert grown.nu.shape == (1, 16, 20, 3)
    assert grown.nu.min() >= 0
    np.testing.assert_allclose(jnp.mean(grown.nu), jnp.mean(adam.nu), rtol=0.1)
    assert grown.count == adam.count


def test_same_size_is_not_resampled(begun):
    jax.tree.map(np.testing.assert_array_equal, style.rescaled(begun, (8, 10)).optimizer_state, begun.optimizer_state)


@pytest.mark.parametrize("statistic", ["GRAM", "MOMENTS", "WASSERSTEIN", "SLICED", "HISTOGRAM"])
def test_every_statistic_paints(statistic):
    result = run(statistic=getattr(style, statistic), content_weight=0.0, content_layers={}, n_steps=60)
    assert np.isfinite(result.images).all()
    assert result.final["loss"][0] < 0.5 * result.traces[0]["loss"][0, 0]


def test_lbfgs_needs_fewer_steps_than_adam():
    settings = {"content_layers": {}, "tv_weight": 0.0, "n_steps": 15}
    quick = run(optimizer=style.lbfgs(), **settings).final["loss"]
    assert quick[0] < run(optimizer=style.adam(decay=0.0), **settings).final["loss"][0]


def test_one_trace_for_all_weights_and_pictures():
    traces = []

    def counted(images):
        traces.append(images.shape)
        return features(images)

    first = 0
    for seed in range(3):
        content = CONTENT + 0.1 * seed
        targets = style.style_targets(counted, content, [STYLE - 0.1 * seed], content_weight=float(seed + 1), **LAYERS)
        problem = style.style_problem(counted, targets, style.adam())
        advance(problem, start(problem, content), n_steps=2)
        first = len(traces) if seed == 0 else first
    assert len(traces) - first == 2  # each time the names of layers are asked for; nothing is compiled again


def test_average_is_the_weighted_mean_of_iterates():
    optimizer = style.averaged(optax.sgd(1.0), decay=0.5)
    state, params, seen = optimizer.init(jnp.zeros(())), jnp.zeros(()), []
    for step in range(4):
        updates, state = optimizer.update(jnp.asarray(-float(step)), state, params)
        params = optax.apply_updates(params, updates)
        seen.append(float(params))
    weights = 0.5 ** np.arange(4)[::-1]
    np.testing.assert_allclose(state.total / state.weight, np.average(seen, weights=weights), rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"style_weights": [1.0, 2.0]}, "one weight and one region for each style, got 1 styles, 2 weights"),
        ({"regions": [jnp.ones((1, 4, 4))]}, "a region must have the content's size 8 x 10, got 4 x 4"),
        ({"style_layers": {"relu9_9": 1.0}}, "no layer 'relu9_9' among the features: choose from half, pixels"),
        ({"styles": [jnp.ones((3, 6, 6, 3))]}, "one for all or one for each of 1 images, got 3"),
        ({"sizes": [4, 8], "n_steps": [3]}, "a number of steps for each size, got 1 for 2 sizes"),
    ],
)
def test_what_does_not_fit_is_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        run(**settings)


def test_half_precision_averages_without_bias():
    content, pixels = jnp.ones((1, 4, 4, 3), jnp.bfloat16), {"pixels": 1.0}
    with jax.numpy_dtype_promotion("standard"):
        found = style.transfer(
            lambda x: {"pixels": x}, content, [], content_layers=pixels, style_layers={}, n_steps=200
        )
    assert found.images.dtype == jnp.bfloat16
    np.testing.assert_array_equal(np.float32(found.images), 1.0)
