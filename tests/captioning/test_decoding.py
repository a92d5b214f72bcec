"""Greedy decoding, sampling and log-probabilities on a language small enough to enumerate."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.captioning import END, NULL, START, beam_search, caption_loss, captioner, greedy, log_prob, sample
from jaxvision.errors import InputError

STATES = np.arange(40) * 7


def rows(tokens, end=1):
    """Captions as tuples, up to their end."""
    return [tuple(row[: row.index(end) + 1] if end in row else row) for row in np.asarray(tokens).tolist()]


def padded(captions, length, fill=-1):
    return jnp.array([[*caption, *[fill] * (length - len(caption))] for caption in captions], jnp.int32)


def test_greedy_says_the_most_probable_word_each_time(tiny, words):
    decoded = greedy(tiny.step, tiny.begin(STATES), **words)
    table = np.where(np.arange(4) == 0, -np.inf, tiny.table)
    for i, caption in enumerate(rows(decoded.tokens)):
        state, last = STATES[i], 0
        for word in caption:
            state = (state * 4 + last + 1) % len(table)
            assert word == table[state].argmax()
            last = word
        assert caption[-1] == 1 or len(caption) == 4
        assert decoded.finished[i] == (caption[-1] == 1)
        np.testing.assert_allclose(decoded.log_probs[i], tiny.captions(STATES[i])[caption], rtol=1e-5)
        assert (decoded.tokens[i, len(caption) :] == -1).all()
    assert 0 < decoded.finished.sum() < len(STATES)


def test_log_probs_of_all_captions_by_enumeration(tiny, words):
    """And they are all there is: their probabilities sum to one."""
    expected = tiny.captions(5, forbidden=())
    tokens = padded(expected, 4)
    options = {name: words[name] for name in ("start", "end", "null")}
    found = log_prob(tiny.step, tiny.begin([5] * len(tokens)), tokens, **options)
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-5)
    np.testing.assert_allclose(jnp.exp(found).sum(), 1, rtol=1e-5)
    after_the_end = jnp.where(tokens == -1, 3, tokens)
    np.testing.assert_array_equal(log_prob(tiny.step, tiny.begin([5] * len(tokens)), after_the_end, **options), found)


@pytest.mark.slow
def test_log_prob_of_a_captioner_is_its_loss_and_so_is_the_gradient():
    model = captioner(jax.random.key(0), feature_size=3, vocabulary_size=7, embed_size=2, hidden_size=4, cell="rnn")
    features, captions = jnp.ones((2, 3)), jnp.array([[START, 5, 6, END, NULL], [START, 4, 4, 5, 6]])

    @jax.jit
    @jax.value_and_grad
    def found(model):
        return jnp.mean(-log_prob(model.step, model.start(features), captions[:, 1:]))

    expected = jax.jit(jax.value_and_grad(lambda model: caption_loss(model, features, captions)))(model)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found(model), expected)
    said = greedy(model.step, model.start(features), max_length=3)
    again = log_prob(model.step, model.start(features), said.tokens)
    np.testing.assert_allclose(said.log_probs, again, rtol=1e-5)


def exact(p, temperature=1.0, top_k=None, top_p=None, typical_p=None):
    """The distribution that one word is drawn from, straight from the definition."""
    q = np.where(np.arange(len(p)) == 0, 0, p) ** (1 / temperature)
    order = np.argsort(-q)
    kept = order[:top_k]
    if top_p is not None:
        total = q[kept].sum()
        kept = kept[: next(i for i in range(1, len(kept) + 1) if q[kept[:i]].sum() >= top_p * total - 1e-12)]
    q = np.where(np.isin(np.arange(len(p)), kept), q, 0)
    q = q / q.sum()
    if typical_p is not None:
        allowed = np.flatnonzero(q)
        surprise = -np.log(q[allowed])
        order = allowed[np.argsort(np.abs(surprise - q[allowed] @ surprise))]
        kept = order[: 1 + next(i for i in range(len(order)) if q[order[: i + 1]].sum() >= typical_p - 1e-12)]
        q = np.where(np.isin(np.arange(len(p)), kept), q, 0)
    return q / q.sum()


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"temperature": 0.6}, marks=pytest.mark.slow),
        {"temperature": 1.7, "top_k": 2},
        pytest.param({"top_p": 0.7}, marks=pytest.mark.slow),
        {"temperature": 1.5, "top_k": 4, "top_p": 0.65},
        {"typical_p": 0.5},
        pytest.param({"temperature": 1.4, "top_p": 0.9, "typical_p": 0.3}, marks=pytest.mark.slow),
    ],
)
def test_words_are_as_frequent_as_they_should_be(options):
    p, n = np.array([0.1, 0.2, 0.05, 0.3, 0.35]), 4000

    def step(carry, tokens):
        return carry, jnp.broadcast_to(jnp.log(jnp.asarray(p, jnp.float32)), (n, 5))

    drawn = sample(step, jnp.zeros((n, 0)), jax.random.key(1), max_length=1, start=0, end=1, forbidden=(0,), **options)
    q = exact(p, **options)
    counts = np.bincount(np.asarray(drawn.tokens)[:, 0], minlength=5)
    assert (counts[q == 0] == 0).all()
    chi_square = ((counts - n * q)[q > 0] ** 2 / (n * q[q > 0])).sum()
    assert chi_square < 20  # beyond, by chance, once in two thousand times at most
    np.testing.assert_allclose(np.exp(drawn.log_probs), p[np.asarray(drawn.tokens)[:, 0]], rtol=1e-5)


def test_captions_are_as_frequent_as_they_should_be(tiny, words):
    """Whole captions, where nothing is forbidden."""
    n, expected = 6000, tiny.captions(3, forbidden=())
    drawn = sample(tiny.step, tiny.begin([3] * n), jax.random.key(2), **words | {"forbidden": ()})
    found = rows(drawn.tokens)
    assert set(found) <= set(expected)
    p = np.exp(list(expected.values()))
    counts = np.array([found.count(caption) for caption in expected])
    rare = n * p < 5
    counts, p = np.append(counts[~rare], counts[rare].sum()), np.append(p[~rare], p[rare].sum())
    degrees = len(p) - 1
    assert ((counts - n * p) ** 2 / (n * p)).sum() < degrees + 4 * np.sqrt(2 * degrees)
    np.testing.assert_allclose(drawn.log_probs, [expected[caption] for caption in found], rtol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.0, "top_p": 1.0},
        *(pytest.param(options, marks=pytest.mark.slow) for options in ({"temperature": 0}, {"top_k": 1})),
        pytest.param({"top_p": 1e-6, "top_k": 3}, marks=pytest.mark.slow),
        {"temperature": 0.0, "typical_p": 0.5},
    ],
    ids=str,
)
def test_no_temperature_one_word_or_a_small_nucleus_are_greedy(tiny, words, options):
    begin = tiny.begin(STATES)
    found = sample(tiny.step, begin, jax.random.key(0), **words, **options)
    jax.tree.map(np.testing.assert_array_equal, found, greedy(tiny.step, begin, **words))


def test_several_samples_of_a_row_have_keys_of_their_own(tiny, words):
    """Caption j of row i is what row i alone says with key j of its own; others do not matter."""
    key = jax.random.key(5)
    several = sample(tiny.step, tiny.begin(STATES[:2]), key, num_return_sequences=3, **words)
    keys = jnp.stack([jax.random.fold_in(jax.random.fold_in(key, i), j) for i in range(2) for j in range(3)])
    expected = sample(tiny.step, tiny.begin(np.repeat(STATES[:2], 3)), keys, **words)
    jax.tree.map(np.testing.assert_array_equal, several, expected)
    assert len(set(rows(several.tokens))) > 2


def test_every_word_may_be_drawn_from_a_whole_nucleus(tiny, words):
    begin, key = tiny.begin(STATES), jax.random.key(0)
    expected = sample(tiny.step, begin, key, **words)
    found = sample(tiny.step, begin, key, **words, top_p=1.0, typical_p=1.0)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


DECODERS = {
    "greedy": lambda step, carry, keys, **words: greedy(step, carry, **words),
    "sample": lambda step, carry, keys, **words: sample(step, carry, keys, top_k=3, top_p=0.9, **words),
    "typical": lambda step, carry, keys, **words: sample(step, carry, keys, typical_p=0.5, **words),
    "beam_search": lambda step, carry, keys, **words: beam_search(step, carry, num_beams=2, **words),
}
every_decoder = pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS.keys())


@every_decoder
def test_neighbours_and_batch_size_do_not_matter(tiny, words, decode):
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(4), jnp.arange(6))
    together = decode(tiny.step, tiny.begin(STATES[:6]), jax.random.key(4), **words)
    backwards = decode(tiny.step, tiny.begin(STATES[:6][::-1]), keys[::-1], **words)
    alone = decode(tiny.step, tiny.begin(STATES[3:4]), keys[3:4], **words)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[::-1]), together, backwards)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[3:4], b), together, alone)


@pytest.mark.parametrize(
    "decode",
    [pytest.param(run, id=name, marks=[] if name == "greedy" else pytest.mark.slow) for name, run in DECODERS.items()],
)
def test_jit_is_eager(tiny, words, decode):
    arguments = tiny.begin(STATES[:3]), jax.random.split(jax.random.key(0), 3)
    compiled = decode(tiny.step, *arguments, **words)
    under_jit = jax.jit(lambda tiny, *arguments: decode(tiny.step, *arguments, **words))(tiny, *arguments)
    with jax.disable_jit():
        eager = decode(tiny.step, *arguments, **words)
    for other in (under_jit, eager):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), compiled, other)


@every_decoder
def test_one_trace_for_all_weights_and_states(tiny, words, decode):
    traces = []

    def step(table, carry, tokens):
        traces.append(tokens.shape)
        return tiny._replace(table=table).step(carry, tokens)

    for seed in range(3):
        weights = jax.tree_util.Partial(step, tiny.table + seed)
        decode(weights, tiny.begin(STATES[:3] + seed), jax.random.split(jax.random.key(seed), 3), **words)
        first = len(traces) if seed == 0 else first
    assert len(traces) == first


@every_decoder
def test_the_loop_is_left_when_all_captions_have_ended(words, decode):
    """A later step would give NaN."""

    def step(carry, tokens):
        logits = jnp.where(jnp.arange(4) == 1, jnp.where(carry > 1, 50.0, -5.0), 0.0)  # END at the third position
        return carry + 1, jnp.where(carry > 3, jnp.nan, logits)

    decoded = decode(step, jnp.zeros((2, 1)), jax.random.split(jax.random.key(0), 2), **words | {"max_length": 30})
    assert np.isfinite(decoded.log_probs).all()
    assert decoded.finished.all()


@pytest.mark.parametrize(
    "options",
    [{}, {"num_beam_groups": 2, "diversity_penalty": 0.5}, {"force_words_ids": (2,)}],
    ids=["plain", "groups", "required"],
)
def test_a_caption_that_has_ended_outlives_scores_that_are_nan(words, options):
    """The first row has ended after two words; the second says 3 until there is no score."""
    likes = jnp.array([[0.0, 0.0, 9.0, 0.0], [0.0, -9.0, 0.0, 9.0]])

    def step(carry, tokens):
        row, position = carry.T.astype(jnp.int32)
        ends = (row == 0) & (position > 0)
        logits = jnp.where(ends[:, None], jnp.array([[0.0, 50.0, 0.0, 0.0]]), likes[row])
        return carry + jnp.array([[0.0, 1.0]]), jnp.where(position[:, None] > 1, jnp.nan, logits)

    both = jnp.array([[0.0, 0.0], [1.0, 0.0]])
    found = beam_search(step, both, num_beams=2, **options, **words)
    assert found.tokens[0, 0].tolist() == [2, 1, -1, -1]
    assert np.isfinite(found.scores[0, 0])
    assert found.finished[0, 0]
    assert (found.tokens[1] == -1).all()
    assert (found.scores[1] == -np.inf).all()
    assert not np.isnan(found.scores).any()


def test_no_word_is_chosen_by_scores_that_are_nan(words):
    def step(carry, tokens):
        return carry + 1, jnp.where(carry > 0, jnp.nan, jnp.array([[0.0, -9.0, 9.0, 0.0]]))

    for decoded in (
        greedy(step, jnp.zeros((1, 1)), **words),
        sample(step, jnp.zeros((1, 1)), jax.random.key(0), top_k=1, **words),
    ):
        assert decoded.tokens.tolist() == [[2, -1, -1, -1]]
        assert np.isnan(decoded.log_probs).all()
        assert not decoded.finished.any()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(jnp.bfloat16, jnp.float32), pytest.param(jnp.float64, jnp.float64, marks=pytest.mark.slow)],
)
@every_decoder
def test_log_probs_are_in_single_precision_at_least(tiny, words, decode, dtype, expected):
    with jax.enable_x64(dtype == jnp.float64):
        model = tiny._replace(table=tiny.table.astype(dtype))
        decoded = decode(model.step, model.begin(STATES[:2]), jax.random.split(jax.random.key(0), 2), **words)
        assert decoded.log_probs.dtype == expected
        assert decoded.tokens.dtype == jnp.int32


def logits_of(shape, dtype=jnp.float32):
    return lambda carry, tokens: (carry, jnp.zeros(shape, dtype))


GOOD, CARRY, KEY = logits_of((2, 5)), jnp.zeros((2, 3)), jax.random.key(0)
beams = functools.partial(beam_search, num_beams=2)
draw = functools.partial(sample, key=KEY, max_length=3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: greedy(GOOD, CARRY, max_length=0), "max_length must be .* at least 1, got 0"),
        (lambda: greedy(GOOD, None, max_length=3), "carry must hold an array"),
        (lambda: greedy(GOOD, (CARRY, jnp.zeros(())), max_length=3), r"one row for each caption.*\(2, 3\), \(\)"),
        (lambda: beams(GOOD, (CARRY, jnp.zeros((3, 2))), max_length=3), "one row for each caption"),
        (lambda: greedy(logits_of((2,)), CARRY, max_length=3), r"logits \(N, V\) with N = 2 .* got shape \(2,\)"),
        (lambda: greedy(logits_of((2, 5), jnp.int32), CARRY, max_length=3), "floats, got int32"),
        (lambda: greedy(lambda carry, tokens: carry, CARRY, max_length=3), r"must return \(carry, logits\)"),
        (lambda: greedy(lambda c, t: (c[:, :2], GOOD(c, t)[1]), CARRY, max_length=3), r"got float32\[2, 2\] for"),
        (
            lambda: greedy(GOOD, CARRY, max_length=3, end=5),
            r"end must be one of the step's 5 words, in \[0, 5\), got 5",
        ),
        (lambda: greedy(GOOD, CARRY, max_length=3, forbidden=(0, 1, 2, 3, 4)), "forbidden holds all 5 words"),
        (lambda: beam_search(GOOD, CARRY, num_beams=0, max_length=3), "num_beams must be .* at least 1, got 0"),
        (lambda: beams(GOOD, CARRY, max_length=3, length_penalty=np.nan), "length_penalty must be a finite number"),
        (lambda: beams(GOOD, CARRY, max_length=3, length_penalty=lambda n: 3 - n), "a positive number for each length"),
        (lambda: beams(GOOD, CARRY, max_length=20, length_penalty=60.0), "positive number of float32 .*, got 60.0"),
        (lambda: beams(GOOD, CARRY, max_length=20, length_penalty=-60.0), "positive number of float32 .*, got -60.0"),
        (lambda: beams(GOOD, CARRY, max_length=3, num_return_sequences=3), "from 1 to num_beams, 2, got 3"),
        (lambda: beams(GOOD, CARRY, max_length=3, num_beam_groups=3), "must divide num_beams, 2, got 3"),
        (lambda: beams(GOOD, CARRY, max_length=3, diversity_penalty=1.0), "give num_beam_groups of 2 or more"),
        (lambda: beams(GOOD, CARRY, max_length=3, num_beam_groups=2, diversity_penalty=-1.0), "of 0 or more, got -1.0"),
        (lambda: beams(GOOD, CARRY, max_length=3, force_words_ids=(5,)), r"in \[0, 5\), got 5"),
        (lambda: beams(GOOD, CARRY, max_length=3, force_words_ids=(END,)), "may hold before their end, got 2"),
        (lambda: beams(GOOD, CARRY, max_length=3, force_words_ids=[[4, 3]]), r"single words, got \[4, 3\]: phrases"),
        (lambda: beams(GOOD, CARRY, max_length=3, force_words_ids=[[]]), r"single words, got \[\]"),
        (lambda: beams(GOOD, CARRY, max_length=1, force_words_ids=(4, 3), forbidden=()), "of 1 words cannot hold 2"),
        (lambda: beams(GOOD, CARRY, max_length=3, force_words_ids=(4,), num_beam_groups=2), "do not go together"),
        (lambda: draw(GOOD, CARRY, temperature=-0.1), "temperature must be .* 0 .* or more, got -0.1"),
        (lambda: draw(GOOD, CARRY, temperature=np.nan), "temperature must be"),
        (lambda: draw(GOOD, CARRY, temperature=np.inf), "temperature must be a finite number, .* got inf"),
        (lambda: draw(GOOD, CARRY, temperature=1e39), r"temperature must be a finite number, .* got 1e\+39"),
        (lambda: draw(GOOD, CARRY, top_p=0.0), r"in \(0, 1\], got 0.0"),
        (lambda: draw(GOOD, CARRY, top_p=1.1), r"in \(0, 1\], got 1.1"),
        (lambda: draw(GOOD, CARRY, typical_p=0.0), r"typical_p must be .* in \(0, 1\], got 0.0"),
        (lambda: draw(GOOD, CARRY, top_k=6), "from 1 to the step's 5, got 6"),
        (lambda: draw(GOOD, CARRY, num_return_sequences=0), "number of captions of at least 1, got 0"),
        (lambda: draw(GOOD, CARRY, top_k=0), "from 1 to the step's 5, got 0"),
        (lambda: log_prob(GOOD, CARRY, jnp.zeros((3, 4), jnp.int32)), "one row for each of the 2 rows"),
        (lambda: log_prob(GOOD, CARRY, jnp.array([[4, 7], [4, 2]])), r"lie in \[0, 5\), .* got 7"),
    ],
)
def test_bad_input_is_a_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()
