"""The laws' rows of the measures of faithfulness."""

import jax
import jax.numpy as jnp

from jaxvision.attribution import saliency_map
from jaxvision.metrics.faithfulness import deletion, infidelity, max_sensitivity, pointing_game, road, sensitivity_n
from jaxvision.pixels import pytree_function
from tests.laws.setting import N_STEPS, Method


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


def run_road(logits_fn, images, labels, keys):
    maps = jnp.asarray(images)[..., 0]
    settings = {"shares": (0.2, 0.6), "n_iterations": N_STEPS}
    return {"scores": road(logits_fn, images, labels, maps, key=keys, **settings)}


def run_pointing_game(logits_fn, images, labels, keys):
    masks = jnp.asarray(images)[..., 0] > 0.5
    return pointing_game(saliency_map(logits_fn, images, labels), masks, tolerance=1)._asdict()


METHODS = [
    Method("deletion", run_deletion),
    Method("infidelity", run_infidelity, random=True),
    Method("max_sensitivity", run_max_sensitivity, random=True),
    Method("sensitivity_n", run_sensitivity_n, random=True),
    Method("road", run_road, random=True),
    Method("pointing_game", run_pointing_game),
]
