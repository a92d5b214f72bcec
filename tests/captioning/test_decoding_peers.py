"""Decoders against Hugging Face's `generate` on the same language, whose next word depends on all words before."""

import functools
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.captioning import END, START, beam_search, greedy, with_min_length, without_repeats
from jaxvision.captioning.truncation import heated, most_probable, most_typical

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

V, T, N_STATES, N = 12, 8, 997, 60  # words, of a caption at most, rows of the table, images
TABLE = 2 * np.random.default_rng(0).normal(size=(N_STATES, V)).astype(np.float32)
TABLE[:, END] += 1.5
FORBIDDEN = (0, 1, 3)
IMAGES = np.arange(N) * 5


class Language(NamedTuple):
    """A pytree with `step` as its method; the state is a hash of the image and of all words."""

    table: jax.Array

    def step(self, state, tokens):
        state = (state * V + tokens + 1) % N_STATES
        return state, self.table[state]


LANGUAGE, CARRY = Language(jnp.asarray(TABLE)), jnp.asarray(IMAGES, jnp.int32)


@pytest.fixture(scope="module")
def generate():
    """Hugging Face's decoders on the table: options -> what `generate` returns, as arrays without the prompt."""
    torch = pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers", reason="extra `peers`: transformers is not installed")
        from transformers.modeling_outputs import CausalLMOutput

    table = torch.from_numpy(TABLE)

    class OfTable(transformers.PreTrainedModel, transformers.GenerationMixin):
        """The first token, past the vocabulary, says which image it is; START is read in its place."""

        config_class = transformers.PretrainedConfig
        main_input_name = "input_ids"

        def __init__(self, config):
            super().__init__(config)
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def prepare_inputs_for_generation(self, input_ids, attention_mask=None, **_):
            return {"input_ids": input_ids}

        def forward(self, input_ids, attention_mask=None, **_):
            state = input_ids[:, 0] - V
            read = torch.cat([torch.full_like(state, START)[:, None], input_ids[:, 1:]], dim=1)
            for tokens in read.T:
                state = (state * V + tokens + 1) % N_STATES
            return CausalLMOutput(logits=table[state][:, None])

    model = OfTable(transformers.PretrainedConfig(vocab_size=V, is_encoder_decoder=False)).eval()

    def call(**options):
        prompt = torch.from_numpy(IMAGES + V)[:, None]
        found = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            generation_config=transformers.GenerationConfig(
                **{"num_beams": 1, "do_sample": False} | options,
                max_new_tokens=T,
                use_cache=False,
                eos_token_id=END,
                pad_token_id=0,
                suppress_tokens=list(FORBIDDEN),
                return_dict_in_generate=True,
                output_scores=True,
            ),
        )
        return found, [caption_of(row) for row in found.sequences[:, 1:].numpy()]

    call.has_groups = hasattr(transformers.GenerationMixin, "_group_beam_search")
    return call


def caption_of(tokens):
    row = tokens.tolist()
    return tuple(row[: row.index(END) + 1] if END in row else row[:T])


def captions_of(found):
    return [caption_of(row) for row in np.asarray(found.tokens).reshape(-1, T)]


@functools.partial(jax.jit, static_argnames="top_k")
def drawn_from(logits, temperature, top_k, top_p, typical_p):
    log_p = jnp.where(np.isin(np.arange(V), FORBIDDEN)[None], -jnp.inf, jax.nn.log_softmax(logits))
    log_p = jnp.where(most_probable(log_p, temperature, top_k or V, top_p), log_p, -jnp.inf)
    log_p = jnp.where(most_typical(log_p, temperature, typical_p), log_p, -jnp.inf)
    return jnp.exp(heated(log_p, temperature))


def test_greedy(generate):
    found = greedy(LANGUAGE.step, CARRY, max_length=T)
    assert captions_of(found) == generate()[1]
    assert 0 < found.finished.sum() < N


def test_greedy_with_a_least_length_and_no_repeats(generate):
    """Hugging Face's least length does not count END."""
    step, carry = with_min_length(*without_repeats(LANGUAGE.step, CARRY, 2, max_length=T), 5)
    found = greedy(step, carry, max_length=T)
    expected = generate(min_new_tokens=4, no_repeat_ngram_size=2)[1]
    assert captions_of(found) == expected


@pytest.mark.parametrize("early_stopping", [True, False, "never"])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, -0.5])
def test_beam_search(generate, early_stopping, length_penalty):
    options = {"num_beams": 4, "early_stopping": early_stopping, "length_penalty": length_penalty}
    equal(beam_search(LANGUAGE.step, CARRY, max_length=T, **options), generate(**options, num_return_sequences=4))


def test_the_two_best_of_three_beams(generate):
    options = {"num_beams": 3, "num_return_sequences": 2, "length_penalty": 1.0, "early_stopping": "never"}
    equal(beam_search(LANGUAGE.step, CARRY, max_length=T, **options), generate(**options))


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("diversity_penalty", [0.5, 3.0])
def test_diverse_beam_search(generate, diversity_penalty, length_penalty):
    if not generate.has_groups:
        pytest.skip("this version of transformers has no group beam search; tests/captioning/test_groups.py has")
    options = {
        "num_beams": 4,
        "num_beam_groups": 2,
        "diversity_penalty": diversity_penalty,
        "length_penalty": length_penalty,
        "early_stopping": "never",
    }
    found = beam_search(LANGUAGE.step, CARRY, max_length=T, **options)
    equal(found, generate(**options, num_return_sequences=4))


def equal(found, expected):
    results, captions = expected
    assert captions_of(found) == captions
    np.testing.assert_allclose(found.scores.ravel(), results.sequences_scores, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7, "top_k": 0},
        {"top_k": 3},
        {"temperature": 1.4, "top_k": 6, "top_p": 0.8},
        {"temperature": 1.2, "top_k": 0, "typical_p": 0.6},
        {"top_k": 0, "top_p": 0.9, "typical_p": 0.7},
    ],
    ids=str,
)
def test_words_are_drawn_from_the_same_distribution(generate, options):
    """Of every step of Hugging Face's own samples."""
    results, captions = generate(do_sample=True, **options)
    step, state, read, n_compared = jax.jit(Language.step), CARRY, jnp.full(N, START), 0
    temperature = jnp.array(options.get("temperature", 1.0), jnp.float32)
    for position, scores in enumerate(results.scores):
        state, logits = step(LANGUAGE, state, read)
        q = drawn_from(logits, temperature, options["top_k"], options.get("top_p"), options.get("typical_p"))
        live = np.array([len(caption) > position for caption in captions])
        np.testing.assert_allclose(np.asarray(q)[live], scores.softmax(dim=-1).numpy()[live], atol=1e-6)
        read = jnp.array([caption[position] if position < len(caption) else 0 for caption in captions])
        n_compared += live.sum()
    assert n_compared > 2 * N
