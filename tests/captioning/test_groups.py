"""Diverse beam search against a plain one in NumPy, one image, group and hypothesis at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.captioning import beam_search, log_prob

STATES = np.arange(24) * 11
T = 5


def plain(table, state, n_groups, width, penalty):
    """Scores with the penalty in them, one word after the other; a group that can do no better says nothing more."""
    living, ended = [[((), 0.0, state)] for _ in range(n_groups)], [[] for _ in range(n_groups)]
    for position in range(T):
        said_here = []
        for group in range(n_groups):
            extended = []
            for said, merit, state in living[group]:
                state = (state * 4 + (said[-1] if said else 0) + 1) % len(table)
                log_p = table[state] - np.log(np.exp(table[state]).sum())
                extended += [((*said, w), merit + log_p[w] - penalty * said_here.count(w), state) for w in (1, 2, 3)]
            extended = sorted(extended, key=lambda hypothesis: -hypothesis[1])[: 2 * width]
            ended[group] += [(m, said) for said, m, _ in extended[:width] if said[-1] == 1 or position == T - 1]
            ended[group] = sorted(ended[group], reverse=True)[:width]
            living[group] = [one for one in extended if one[0][-1] != 1][:width]
            said_here += [said[-1] for said, _, _ in living[group]]
            if len(ended[group]) == width and extended and extended[0][1] <= ended[group][-1][0]:
                living[group] = []
    return sorted((one for some in ended for one in some), reverse=True)


def decode(tiny, words, n_groups, num_beams, penalty):
    options = words | {"max_length": T, "num_beams": num_beams, "num_beam_groups": n_groups}
    return beam_search(tiny.step, tiny.begin(STATES), diversity_penalty=penalty, **options)


@pytest.mark.parametrize("n_groups", [2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("penalty", [0.4, 2.0])
def test_groups_are_the_plain_search(tiny, words, n_groups, penalty):
    found = decode(tiny, words, n_groups, 4, penalty)
    table = np.asarray(tiny.table, np.float64)
    for i, state in enumerate(STATES):
        expected = plain(table, state, n_groups, 4 // n_groups, penalty)
        captions = [tuple(word for word in row if word != -1) for row in found.tokens[i].tolist()]
        assert [caption for caption in captions if caption] == [said for _, said in expected]
        np.testing.assert_allclose(found.scores[i, : len(expected)], [score for score, _ in expected], rtol=1e-5)


def test_log_probs_are_without_the_penalty(tiny, words):
    found = decode(tiny, words, 2, 4, 0.4)
    begin = tiny.begin(np.repeat(STATES, 4))
    options = {name: words[name] for name in ("start", "end", "null")}
    np.testing.assert_allclose(
        found.log_probs.ravel(), log_prob(tiny.step, begin, found.tokens.reshape(-1, T), **options), rtol=1e-5
    )
    assert (found.log_probs - found.scores > 0.3).any()
    assert (found.log_probs >= found.scores - 1e-5).all()


def test_groups_without_a_penalty_say_the_same(tiny, words):
    found = decode(tiny, words, 2, 4, 0.0)
    np.testing.assert_array_equal(found.tokens[:, 0], found.tokens[:, 1])
    np.testing.assert_array_equal(found.scores[:, 2], found.scores[:, 3])


def test_a_row_does_not_depend_on_its_neighbours(tiny, words):
    together = decode(tiny, words, 2, 4, 0.4)
    options = words | {"max_length": T, "num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.4}
    alone = beam_search(tiny.step, tiny.begin(STATES[5:6]), **options)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[5:6], b), together, alone)


def test_penalties_share_a_program(tiny, words):
    traces = []

    def step(table, carry, tokens):
        traces.append(1)
        return tiny._replace(table=table).step(carry, tokens)

    for penalty in (0.5, jnp.array(1.5)):
        decode(tiny._replace(table=tiny.table), words, 2, 4, penalty)
        beam_search(
            jax.tree_util.Partial(step, tiny.table),
            tiny.begin(STATES),
            **words | {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": penalty, "length_penalty": penalty},
        )
    assert len(traces) == 2  # one to look at the shapes, one to compile
