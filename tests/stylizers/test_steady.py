"""Frames: grain flickers less, motion leaves nothing behind."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.pixels import normalize
from jaxvision.stylizers import flicker, next_frame, no_frame


def stylizer(images):
    """Something that makes much of little: grain becomes louder."""
    return jnp.tanh(3 * images)


def run(film, share):
    step = jax.jit(lambda state, frame: next_frame(stylizer, state, frame, share=share))
    state, shown = no_frame(film.shape[1:3]), []
    for frame in film:
        state, image = step(state, frame[None])
        shown.append(image[0])
    return jnp.stack(shown)


def film(n=12, *, moving=True, grain=0.02):
    """A square that moves over a ramp, in [0, 1] with grain, then normalised; and where nothing has changed."""
    rng = np.random.default_rng(0)
    rows = np.linspace(0.2, 0.6, 40)[None, :, None, None]
    clean = np.broadcast_to(rows, (n, 40, 56, 3)).copy()
    for t in range(n):
        left = 4 + 3 * t * moving
        clean[t, 12:26, left : left + 14] = [0.9, 0.3, 0.1]
    still = np.ones((n, 40, 56), bool)
    still[1:] = (clean[1:] == clean[:-1]).all(axis=-1)
    noisy = clean + grain * rng.standard_normal(clean.shape)
    return normalize(noisy.astype(np.float32)), normalize(clean.astype(np.float32)), jnp.asarray(still)


def test_the_first_frame_and_a_share_of_one_are_the_stylizers():
    frames, _, _ = film(3)
    np.testing.assert_allclose(run(frames, 1.0), stylizer(frames), atol=1e-5)
    np.testing.assert_allclose(run(frames[:1], 0.1), stylizer(frames[:1]), atol=1e-5)


def test_grain_flickers_less():
    frames, _, still = film(moving=False)
    steady, alone = flicker(run(frames, 0.1), still), flicker(stylizer(frames), still)
    assert steady < 0.2 * alone


def test_nothing_is_left_behind_where_something_moved():
    frames, clean, still = film()
    steady, wanted = run(frames, 0.1), stylizer(clean)
    assert flicker(steady, still) < 0.35 * flicker(stylizer(frames), still)
    moved = ~still[1:]
    ghost = jnp.abs(steady - wanted).mean(axis=-1)[1:][moved].mean()
    grain = jnp.abs(stylizer(frames) - wanted).mean(axis=-1)[1:][moved].mean()
    assert ghost < 1.5 * grain


def test_a_cut_to_another_scene_is_taken_at_once():
    frames, _, _ = film(4, moving=False)
    cut = jnp.concatenate([frames[:2], -frames[:2]])
    np.testing.assert_allclose(run(cut, 0.1)[2], stylizer(cut[2]), atol=0.15)
