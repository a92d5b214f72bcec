"""What no attack begins with: half precision, one class, numbers beyond their range."""

import jax
import jax.numpy as jnp
import pytest

from jaxvision.adversarial import (
    apgd,
    apgd_targeted,
    attack_diagnostics,
    autoattack,
    carlini_wagner,
    ddn,
    deepfool,
    ead,
    fab,
    fgsm,
    fmn,
    fooling_image,
    pgd,
    square,
    universal_perturbation,
)
from jaxvision.errors import InputError

IMAGE = jnp.array([1.0, 0.0]).reshape(1, 1, 2, 1)
KEY = jax.random.key(0)
LABEL = jnp.array([0])
SETTINGS = {
    apgd: {"eps": 0.75, "key": KEY},
    apgd_targeted: {"eps": 0.75, "key": KEY},
    attack_diagnostics: {},
    autoattack: {"eps": 0.75, "key": KEY},
    carlini_wagner: {"n_steps": 300},
    ddn: {},
    ead: {"n_steps": 300},
    fab: {},
    fgsm: {"eps": 0.75},
    fmn: {},
    fooling_image: {},
    pgd: {"eps": 0.75, "random_start": False},
    square: {"eps": 0.75, "key": KEY},
    universal_perturbation: {"eps": 0.75, "key": KEY},
}
every_attack = pytest.mark.parametrize("attack", SETTINGS, ids=lambda attack: attack.__name__)


def two(images):
    return jnp.stack([images[:, 0, 0, 0], images[:, 0, 1, 0]], axis=1)


def one(images):
    return images[:, 0, :1, 0]


@every_attack
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_would_round_an_attack_away(attack, dtype):
    with pytest.raises(InputError, match=f"images of float32 or float64, got {jnp.dtype(dtype)}: half precision"):
        attack(two, IMAGE.astype(dtype), LABEL, **SETTINGS[attack])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_has_no_nearest_boundary(dtype):
    with pytest.raises(InputError, match="cast inside logits_fn instead"):
        deepfool(two, IMAGE.astype(dtype))


@pytest.mark.parametrize("attack", [ddn, fmn, pgd], ids=lambda attack: attack.__name__)
def test_a_classifier_of_half_precision_is_attacked_from_float32(attack):
    result = attack(
        lambda images: two(images.astype(jnp.bfloat16)).astype(jnp.float32), IMAGE, LABEL, **SETTINGS[attack]
    )
    assert result.images.dtype == jnp.float32
    assert bool(result.success[0])


@every_attack
def test_one_class_is_not_robust_but_alone(attack):
    least = 4 if attack is autoattack else 2
    with pytest.raises(InputError, match=f"at least {least} classes apart, got 1"):
        attack(one, IMAGE, LABEL, **SETTINGS[attack])


def test_one_class_has_no_boundary():
    with pytest.raises(InputError, match="at least 2 classes apart, got 1"):
        deepfool(one, IMAGE)


WITH_EPS = [apgd, apgd_targeted, autoattack, fab, fgsm, pgd, square, universal_perturbation]


@pytest.mark.parametrize("attack", WITH_EPS, ids=lambda attack: attack.__name__)
def test_a_budget_without_end_is_refused(attack):
    def four(images):
        return jnp.concatenate([two(images), two(images) - 1], axis=1)

    with pytest.raises(InputError, match="eps must be finite, got inf"):
        attack(four, IMAGE, LABEL, **(SETTINGS[attack] | {"eps": jnp.inf}))


@pytest.mark.parametrize(
    ("attack", "settings", "sentence"),
    [
        (ddn, {"gamma": 1.0}, "gamma must be above 0 and below 1, got 1.0"),
        (ddn, {"gamma": jnp.array([2.0])}, "gamma must be above 0 and below 1, got 2.0"),
        (fmn, {"gamma": 0.0}, "gamma must be above 0 and below 1, got 0.0"),
        (square, {"share": 0.0}, "share must be above 0 and at most 1, got 0.0"),
        (square, {"share": 1.5}, "share must be above 0 and at most 1, got 1.5"),
        (square, {"share": jnp.nan}, "share must be above 0 and at most 1, got nan"),
        (fab, {"bias": jnp.nan}, "bias must be from 0 to 1, got nan"),
        (fab, {"backward": 1.5}, "backward must be from 0 to 1, got 1.5"),
        (fab, {"overshoot": 0.5}, "overshoot must be 1 or more and finite, got 0.5"),
        (fab, {"overshoot": jnp.inf}, "overshoot must be 1 or more and finite, got inf"),
    ],
)
def test_a_number_beyond_its_range_is_one_sentence(attack, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        attack(two, IMAGE, LABEL, **(SETTINGS[attack] | settings))


def test_an_overshoot_without_end_is_one_sentence():
    with pytest.raises(InputError, match="overshoot must be finite, got nan"):
        deepfool(two, IMAGE, overshoot=jnp.nan)


def test_three_classes_are_too_few_before_the_first_stage():
    def never(images):
        assert isinstance(images, jax.core.Tracer), "an attack has begun"
        return jnp.concatenate([two(images), one(images)], axis=1)

    with pytest.raises(InputError, match="at least 4 classes apart, got 3"):
        autoattack(never, IMAGE, LABEL, eps=0.75, key=KEY)
