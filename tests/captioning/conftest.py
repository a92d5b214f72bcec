"""A tiny language whose next word depends on all words before, with every caption's probability by enumeration."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

START, END, N_WORDS, MAX_LENGTH, N_STATES = 0, 1, 4, 4, 499
TABLE = 2 * np.random.default_rng(0).normal(size=(N_STATES, N_WORDS)).astype(np.float32)


class Place(NamedTuple):
    state: jax.Array  # (N,)
    spare: jax.Array  # (N, 1, 2)


class Tiny(NamedTuple):
    """A pytree with `step` as its method; words are START, END and two more."""

    table: jax.Array

    def step(self, carry, tokens):
        state = (carry["place"].state * N_WORDS + tokens + 1) % N_STATES
        return {"place": Place(state, carry["place"].spare)}, self.table[state]

    def begin(self, states):
        """A carry of dictionary and tuple, a row for each state."""
        states = jnp.asarray(states, jnp.int32)
        return {"place": Place(states, jnp.zeros((len(states), 1, 2)))}

    def captions(self, state, max_length=MAX_LENGTH, said=(), forbidden=(START,)):
        """Every caption from this state on, with its log-probability, in double precision."""
        state = (state * N_WORDS + (said[-1] if said else START) + 1) % N_STATES
        logits = np.asarray(self.table, np.float64)[state]
        log_p = logits - np.log(np.exp(logits).sum())
        found = {}
        for word in set(range(N_WORDS)) - set(forbidden):
            if word == END or len(said) + 1 == max_length:
                found[(*said, word)] = log_p[word]
            else:
                longer = self.captions(state, max_length, (*said, word), forbidden)
                found |= {caption: log_p[word] + rest for caption, rest in longer.items()}
        return found


@pytest.fixture(scope="module")
def tiny():
    return Tiny(jnp.asarray(TABLE))


@pytest.fixture(scope="session")
def words():
    """For every decoder."""
    return {"start": START, "end": END, "null": -1, "forbidden": (START,), "max_length": MAX_LENGTH}
