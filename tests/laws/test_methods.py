"""Laws that hold for every method which takes a classifier: one table, each law over all of it.

A new method adds a row: how to run it on images, labels and keys, giving arrays with one entry per image.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from jaxvision.adversarial import (
    L1,
    L2,
    apgd,
    apgd_targeted,
    carlini_wagner,
    ddn,
    deepfool,
    ead,
    fab,
    fgsm,
    fmn,
    fooling_image,
    fooling_problem,
    margin_loss,
    pgd,
    square,
)
from jaxvision.attribution import (
    deconvnet,
    deep_lift,
    directional_derivative,
    expected_gradients,
    grad_cam,
    grad_cam_plus_plus,
    guided_backprop,
    hessian_vector_product,
    hires_cam,
    input_x_gradient,
    integrated_gradients,
    kernel_shap,
    layer_cam,
    layer_cams,
    lime,
    lrp,
    occlusion,
    patches,
    rise,
    saliency_map,
    smoothgrad,
    vargrad,
    xgrad_cam,
)
from jaxvision.metrics.faithfulness import deletion, infidelity, max_sensitivity, sensitivity_n
from jaxvision.pixels import advance, pytree_function, start, start_from_noise
from jaxvision.visualization import (
    class_logit,
    class_visualization,
    class_visualization_problem,
    deep_dream,
    feature_inversion,
    feature_visualization,
)

SHAPE, N_CLASSES, N_STEPS = (6, 5, 3), 4, 3
IMAGES = jax.random.normal(jax.random.key(0), (3, *SHAPE))
LABELS = jnp.array([3, 0, 2])
KEYS = jax.random.split(jax.random.key(1), 3)


def network(weights, images):
    """A convolution, a smooth nonlinearity, a mean over pixels, a linear layer."""
    features = jax.lax.conv_general_dilated(
        images, weights["conv"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jnp.tanh(features).mean(axis=(1, 2)) @ weights["linear"]


def make_weights(seed, dtype=jnp.float32):
    rng = np.random.default_rng(seed)
    return {
        "conv": jnp.asarray(rng.normal(size=(3, 3, 3, 8)), dtype),
        "linear": jnp.asarray(rng.normal(size=(8, N_CLASSES)), dtype),
    }


def classifier(seed=0):
    return jax.tree_util.Partial(network, make_weights(seed))


class Method(NamedTuple):
    name: str
    run: Callable  # (logits_fn, images, labels, keys) -> dict of arrays, one entry per image
    random: bool = False


def run_saliency(logits_fn, images, labels, keys):
    return {"map": saliency_map(logits_fn, images, labels)}


def run_xgrad_cam(logits_fn, images, labels, keys):
    return {"map": xgrad_cam(logits_fn, images, labels)}


def run_input_x_gradient(logits_fn, images, labels, keys):
    return {"attributions": input_x_gradient(logits_fn, images, labels)}


def run_integrated_gradients(logits_fn, images, labels, keys):
    return integrated_gradients(logits_fn, images, labels, baseline=0.5, n_steps=N_STEPS)._asdict()


def run_smoothgrad(logits_fn, images, labels, keys):
    return {"gradient": smoothgrad(logits_fn, images, labels, key=keys, n_samples=N_STEPS)}


def run_vargrad(logits_fn, images, labels, keys):
    return {"variance": vargrad(logits_fn, images, labels, key=keys, n_samples=N_STEPS)}


def run_expected_gradients(logits_fn, images, labels, keys):
    baselines = np.linspace(-1, 1, 4 * np.prod(SHAPE), dtype=np.float32).reshape(4, *SHAPE)
    return {"attributions": expected_gradients(logits_fn, images, labels, baselines, key=keys, n_samples=N_STEPS)}


def run_occlusion(logits_fn, images, labels, keys):
    return {"attributions": occlusion(logits_fn, images, labels, window=3, stride=2, baseline=0.5)}


def without_rules(logits_fn, images, rules):
    return logits_fn(images)


def ruled(logits_fn):
    return jax.tree_util.Partial(without_rules, pytree_function(logits_fn))


def run_guided_backprop(logits_fn, images, labels, keys):
    return {"gradient": guided_backprop(ruled(logits_fn), images, labels)}


def run_deconvnet(logits_fn, images, labels, keys):
    return {"gradient": deconvnet(ruled(logits_fn), images, labels)}


def run_grad_cam(logits_fn, images, labels, keys):
    return {"map": grad_cam(logits_fn, images, labels)}


def run_grad_cam_plus_plus(logits_fn, images, labels, keys):
    return {"map": grad_cam_plus_plus(logits_fn, images, labels)}


def run_hires_cam(logits_fn, images, labels, keys):
    return {"map": hires_cam(logits_fn, images, labels)}


def run_layer_cam(logits_fn, images, labels, keys):
    return {"map": layer_cam(logits_fn, images, labels)}


def with_tap(logits_fn, images, taps):
    doubled = 2 * images + taps.get("doubled", 0)
    return logits_fn(doubled), {"doubled": doubled}


def run_layer_cams(logits_fn, images, labels, keys):
    tapped_fn = jax.tree_util.Partial(with_tap, pytree_function(logits_fn))
    return layer_cams(tapped_fn, images, labels, cam=hires_cam)


def run_deep_lift(logits_fn, images, labels, keys):
    return deep_lift(ruled(logits_fn), images, labels, baseline=0.5)._asdict()


def run_lrp(logits_fn, images, labels, keys):
    return {"relevance": lrp(ruled(logits_fn), images, labels)}


def run_kernel_shap(logits_fn, images, labels, keys):
    settings = {"key": keys, "n_samples": 12, "baseline": 0.5}
    return kernel_shap(logits_fn, images, labels, patches(*SHAPE[:2], 3), **settings)._asdict()


def run_lime(logits_fn, images, labels, keys):
    settings = {"key": keys, "n_samples": 12, "baseline": 0.5}
    return lime(logits_fn, images, labels, patches(*SHAPE[:2], 3), **settings)._asdict()


def run_rise(logits_fn, images, labels, keys):
    return {"map": rise(logits_fn, images, labels, key=keys, n_masks=N_STEPS, cells=3, baseline=0.5)}


def run_directional_derivative(logits_fn, images, labels, keys):
    return {"derivative": directional_derivative(logits_fn, images, labels, 1 + images**2)}


def run_hessian_vector_product(logits_fn, images, labels, keys):
    return {"product": hessian_vector_product(logits_fn, images, labels, 1 + images**2)}


def run_deletion(logits_fn, images, labels, keys):
    return deletion(logits_fn, images, labels, jnp.asarray(images)[..., 0], baseline=0.5, n_steps=N_STEPS)._asdict()


def run_infidelity(logits_fn, images, labels, keys):
    return {"error": infidelity(logits_fn, images, labels, images, key=keys, n_samples=N_STEPS)}


def run_max_sensitivity(logits_fn, images, labels, keys):
    attribute = jax.tree_util.Partial(saliency_map, pytree_function(logits_fn))
    return {"change": max_sensitivity(attribute, images, labels, key=keys, n_samples=N_STEPS)}


def run_sensitivity_n(logits_fn, images, labels, keys):
    maps = jnp.asarray(images)[..., 0]
    return {"found": sensitivity_n(logits_fn, images, labels, maps, key=keys, n_pixels=7, n_samples=N_STEPS)}


def run_fooling(logits_fn, images, labels, keys):
    result = fooling_image(logits_fn, images, labels, learning_rate=0.5, n_steps=N_STEPS)
    trace = {name: value.T for name, value in result.trace.items()}
    return {"images": result.images, "success": result.success, "steps": result.steps, **trace}


def run_class_visualization(logits_fn, images, labels, keys):
    result = class_visualization(
        logits_fn, labels, key=keys, image_shape=SHAPE, learning_rate=1.0, n_steps=N_STEPS, blur_every=2, max_jitter=2
    )
    trace = {name: value.T for name, value in result.trace.items()}
    return {"images": result.images, "probability": result.probability, **trace}


def run_feature_visualization(logits_fn, images, labels, keys):
    objective = class_logit(labels)
    result = feature_visualization(logits_fn, objective, len(labels), key=keys, image_shape=SHAPE, n_steps=N_STEPS)
    trace = {name: value.T for name, value in result.trace.items()}
    return {"images": result.images, "value": result.value, **trace}


def run_deep_dream(logits_fn, images, labels, keys):
    settings = {"n_octaves": 2, "n_steps": N_STEPS, "max_jitter": 2}
    return {"images": deep_dream(logits_fn, images, class_logit(labels), key=keys, **settings)}


def as_features(logits_fn, images):
    return {"logits": logits_fn(images)[:, None, None]}


def run_feature_inversion(logits_fn, images, labels, keys):
    features_fn = jax.tree_util.Partial(as_features, pytree_function(logits_fn))
    result = feature_inversion(features_fn, images, "logits", key=keys, n_steps=N_STEPS)
    trace = {name: value.T for name, value in result.trace.items()}
    return {"images": result.images, "distance": result.distance, **trace}


EVERYWHERE = (-1e3, 1e3)  # images of the laws are normal noise


def run_fgsm(logits_fn, images, labels, keys):
    return fgsm(logits_fn, images, labels, eps=0.1, bounds=EVERYWHERE)._asdict()


def run_pgd(logits_fn, images, labels, keys):
    return pgd(logits_fn, images, labels, eps=0.1, n_steps=N_STEPS, key=keys, bounds=EVERYWHERE)._asdict()


def run_pgd_l2(logits_fn, images, labels, keys):
    settings = {"norm": L2, "n_restarts": 2, "momentum": 0.5, "targeted": True, "bounds": EVERYWHERE}
    return pgd(logits_fn, images, labels, eps=0.5, n_steps=N_STEPS, key=keys, **settings)._asdict()


def run_pgd_l1(logits_fn, images, labels, keys):
    settings = {"norm": L1, "loss": margin_loss, "bounds": EVERYWHERE}
    return pgd(logits_fn, images, labels, eps=2.0, n_steps=N_STEPS, key=keys, **settings)._asdict()


def run_deepfool(logits_fn, images, labels, keys):
    return deepfool(logits_fn, images, n_steps=N_STEPS, n_classes=3, bounds=EVERYWHERE)._asdict()


def run_apgd(logits_fn, images, labels, keys):
    settings = {"n_restarts": 2, "bounds": EVERYWHERE}
    return apgd(logits_fn, images, labels, eps=0.05, n_steps=N_STEPS, key=keys, **settings)._asdict()


def run_apgd_targeted(logits_fn, images, labels, keys):
    settings = {"norm": L2, "n_target_classes": 2, "bounds": EVERYWHERE}
    return apgd_targeted(logits_fn, images, labels, eps=0.2, n_steps=N_STEPS, key=keys, **settings)._asdict()


def run_carlini_wagner(logits_fn, images, labels, keys):
    settings = {"n_searches": 2, "initial_weight": 100.0, "learning_rate": 0.05, "bounds": (-8.0, 8.0)}
    targets = (labels + 1) % N_CLASSES
    return carlini_wagner(logits_fn, images, targets, n_steps=N_STEPS, targeted=True, **settings)._asdict()


def run_ddn(logits_fn, images, labels, keys):
    settings = {"step_size": 2.0, "initial_eps": 3.0, "bounds": EVERYWHERE, "targeted": True}
    return ddn(logits_fn, images, (labels + 1) % N_CLASSES, n_steps=N_STEPS, **settings)._asdict()


def run_ead(logits_fn, images, labels, keys):
    settings = {"n_searches": 2, "initial_weight": 100.0, "step_size": 0.1, "bounds": EVERYWHERE, "targeted": True}
    return ead(logits_fn, images, (labels + 1) % N_CLASSES, n_steps=N_STEPS, **settings)._asdict()


def run_fmn(logits_fn, images, labels, keys):
    settings = {"n_steps": N_STEPS, "bounds": EVERYWHERE, "targeted": True}
    return fmn(logits_fn, images, (labels + 1) % N_CLASSES, **settings)._asdict()


def run_fmn_l1(logits_fn, images, labels, keys):
    settings = {"norm": L1, "n_steps": 3 * N_STEPS, "bounds": EVERYWHERE, "targeted": True}
    return fmn(logits_fn, images, (labels + 1) % N_CLASSES, **settings)._asdict()


def run_square(logits_fn, images, labels, keys):
    return square(logits_fn, images, labels, eps=0.05, n_steps=N_STEPS, key=keys, bounds=EVERYWHERE)._asdict()


def run_fab(logits_fn, images, labels, keys):
    return fab(logits_fn, images, labels, eps=0.1, n_target_classes=2, n_steps=N_STEPS, bounds=EVERYWHERE)._asdict()


METHODS = [
    Method("saliency_map", run_saliency),
    Method("xgrad_cam", run_xgrad_cam),
    Method("input_x_gradient", run_input_x_gradient),
    Method("integrated_gradients", run_integrated_gradients),
    Method("smoothgrad", run_smoothgrad, random=True),
    Method("vargrad", run_vargrad, random=True),
    Method("expected_gradients", run_expected_gradients, random=True),
    Method("occlusion", run_occlusion),
    Method("guided_backprop", run_guided_backprop),
    Method("deconvnet", run_deconvnet),
    Method("grad_cam", run_grad_cam),
    Method("grad_cam_plus_plus", run_grad_cam_plus_plus),
    Method("hires_cam", run_hires_cam),
    Method("layer_cam", run_layer_cam),
    Method("layer_cams", run_layer_cams),
    Method("deep_lift", run_deep_lift),
    Method("lrp", run_lrp),
    Method("kernel_shap", run_kernel_shap, random=True),
    Method("lime", run_lime, random=True),
    Method("rise", run_rise, random=True),
    Method("directional_derivative", run_directional_derivative),
    Method("hessian_vector_product", run_hessian_vector_product),
    Method("deletion", run_deletion),
    Method("infidelity", run_infidelity, random=True),
    Method("max_sensitivity", run_max_sensitivity, random=True),
    Method("sensitivity_n", run_sensitivity_n, random=True),
    Method("fooling_image", run_fooling),
    Method("class_visualization", run_class_visualization, random=True),
    Method("feature_visualization", run_feature_visualization, random=True),
    Method("deep_dream", run_deep_dream, random=True),
    Method("feature_inversion", run_feature_inversion, random=True),
    Method("fgsm", run_fgsm),
    Method("pgd", run_pgd, random=True),
    Method("pgd_l2", run_pgd_l2, random=True),
    Method("pgd_l1", run_pgd_l1, random=True),
    Method("deepfool", run_deepfool),
    Method("carlini_wagner", run_carlini_wagner),
    Method("ddn", run_ddn),
    Method("ead", run_ead),
    Method("fmn", run_fmn),
    Method("fmn_l1", run_fmn_l1),
    Method("apgd", run_apgd, random=True),
    Method("apgd_targeted", run_apgd_targeted, random=True),
    Method("square", run_square, random=True),
    Method("fab", run_fab),
]


def fooling_state(logits_fn):
    problem = fooling_problem(logits_fn, LABELS, learning_rate=0.5)
    return problem, start(problem, IMAGES)


def visualization_state(logits_fn):
    problem = class_visualization_problem(logits_fn, LABELS, learning_rate=1.0, blur_every=2, max_jitter=2)
    return problem, start_from_noise(problem, 3, key=KEYS, image_shape=SHAPE)


PROBLEMS = [fooling_state, visualization_state]

every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
every_problem = pytest.mark.parametrize("begin", PROBLEMS, ids=lambda begin: begin.__name__)


def assert_close(a, b, **tolerances):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **{"rtol": 1e-4, "atol": 1e-5} | tolerances), a, b)


def assert_same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def differ(a, b):
    return not all(np.array_equal(x, y, equal_nan=True) for x, y in zip(a.values(), b.values(), strict=True))


@every_method
def test_jit_is_eager(method):
    compiled = jax.jit(method.run)(classifier(), IMAGES, LABELS, KEYS)
    with jax.disable_jit():
        assert_close(method.run(classifier(), IMAGES, LABELS, KEYS), compiled)


@every_method
def test_batch_is_a_loop_of_singles(method):
    batch = jax.tree.map(np.asarray, method.run(classifier(), IMAGES, LABELS, KEYS))
    for i in range(3):
        single = method.run(classifier(), *(np.asarray(x)[i : i + 1] for x in (IMAGES, LABELS)), KEYS[i : i + 1])
        assert_close({name: value[i : i + 1] for name, value in batch.items()}, single)


@every_method
def test_neighbours_do_not_matter(method):
    before = method.run(classifier(), IMAGES, LABELS, KEYS)
    after = method.run(classifier(), np.asarray(IMAGES)[[0, 2, 1]], np.array([3, 1, 1]), KEYS[np.array([0, 2, 1])])
    first_before, first_after = (jax.tree.map(lambda value: np.asarray(value)[0], result) for result in (before, after))
    assert_same_bits(first_before, first_after)
    assert differ(before, after)


@every_method
def test_same_seed_same_bits(method):
    once, again = (method.run(classifier(), IMAGES, LABELS, KEYS) for _ in range(2))
    assert_same_bits(once, again)


@every_method
def test_another_key_matters_exactly_to_random_methods(method):
    once = method.run(classifier(), IMAGES, LABELS, KEYS)
    other = method.run(classifier(), IMAGES, LABELS, jax.random.split(jax.random.key(2), 3))
    assert method.random == differ(once, other)


@every_method
def test_one_trace_for_all_weights_images_and_labels(method):
    traces = []

    def counted(weights, images):
        traces.append(images.shape)
        return network(weights, images)

    results = []
    for seed in range(3):
        logits_fn = jax.tree_util.Partial(counted, make_weights(seed))
        results.append(method.run(logits_fn, IMAGES + float(seed), (LABELS + seed) % N_CLASSES, KEYS))
        first = len(traces) if seed == 0 else first
    assert len(traces) == first
    assert differ(results[0], results[1])


class Module(nnx.Module):
    def __init__(self, weights):
        self.weights = nnx.data({name: nnx.Param(value) for name, value in weights.items()})

    def __call__(self, images):
        return network({name: value[...] for name, value in self.weights.items()}, images)


@every_method
def test_any_function_is_a_classifier(method):
    weights = make_weights(0)
    expected = method.run(classifier(), IMAGES, LABELS, KEYS)

    def closure(images):
        return network(weights, images)

    assert_close(method.run(closure, IMAGES, LABELS, KEYS), expected)
    assert_close(method.run(Module(weights), IMAGES, LABELS, KEYS), expected)
    under_jit = jax.jit(lambda w, images: method.run(lambda x: network(w, x), images, LABELS, KEYS))
    assert_close(under_jit(weights, IMAGES), expected)
    assert_close(jax.jit(method.run)(Module(weights), IMAGES, LABELS, KEYS), expected)


@every_method
def test_numpy_goes_in_and_float64_stays(method):
    with jax.enable_x64(True):
        logits_fn = jax.tree_util.Partial(network, make_weights(0, jnp.float64))
        result = method.run(logits_fn, np.asarray(IMAGES, np.float64), np.asarray(LABELS), KEYS)
        assert {value.dtype for value in result.values()} <= {np.dtype(d) for d in ("float64", "bool", "int32")}
        assert any(value.dtype == np.float64 for value in result.values())


@every_problem
def test_gradient_is_the_finite_difference(begin):
    with jax.enable_x64(True):
        problem, _ = begin(jax.tree_util.Partial(network, make_weights(0, jnp.float64)))
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
    traces = []

    def counted(weights, images):
        traces.append(images.shape)
        return network(weights, images)

    step = jax.jit(advance, static_argnames="n_steps")
    for seed in range(3):
        problem, state = begin(jax.tree_util.Partial(counted, make_weights(seed)))
        for _ in range(3):
            state, _ = step(problem, state, n_steps=2)
        first = len(traces) if seed == 0 else first
    assert len(traces) == first
