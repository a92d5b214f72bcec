"""The laws' rows of visualization."""

import jax

from jaxvision.pixels import pytree_function
from jaxvision.visualization import (
    caricature,
    class_logit,
    class_visualization,
    deep_dream,
    feature_inversion,
    feature_visualization,
)
from tests.laws.setting import N_STEPS, SHAPE, Method


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


def run_caricature(logits_fn, images, labels, keys):
    features_fn = jax.tree_util.Partial(as_features, pytree_function(logits_fn))
    result = caricature(features_fn, images, "logits", key=keys, transform=None, n_steps=N_STEPS)
    trace = {name: value.T for name, value in result.trace.items()}
    return {"images": result.images, "value": result.value, **trace}


METHODS = [
    Method("class_visualization", run_class_visualization, random=True),
    Method("feature_visualization", run_feature_visualization, random=True),
    Method("deep_dream", run_deep_dream, random=True),
    Method("feature_inversion", run_feature_inversion, random=True),
    Method("caricature", run_caricature, random=True),
]
