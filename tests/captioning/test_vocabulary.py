import inspect
import json

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.captioning import END, NULL, START, UNK, Vocabulary
from jaxvision.errors import InputError

SPECIAL = ["<NULL>", "<START>", "<END>", "<UNK>"]
CAPTIONS = [["a", "dog", "sees", "a", "cat"], ["a", "cat", "sees", "it"], ["<END>", "cat", "é"]]


def test_order_is_by_count_then_alphabet():
    assert list(Vocabulary.build(CAPTIONS).words) == [*SPECIAL, "a", "cat", "sees", "dog", "it", "é"]
    assert Vocabulary.build(reversed(CAPTIONS)) == Vocabulary.build(CAPTIONS)


def test_rare_words_and_words_too_many_are_left_out():
    assert list(Vocabulary.build(CAPTIONS, min_count=2).words[4:]) == ["a", "cat", "sees"]
    assert list(Vocabulary.build(CAPTIONS, max_size=6).words) == [*SPECIAL, "a", "cat"]
    assert len(Vocabulary.build([])) == 4


def test_encode_pads_and_cuts():
    vocabulary = Vocabulary.build(CAPTIONS)
    ids = vocabulary.encode([["a", "cat"], ["a", "cat", "it"], ["a", "a", "a", "a"], [], ["cow", "<END>"]], 5)
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(
        ids,
        [
            [START, 4, 5, END, NULL],
            [START, 4, 5, 8, END],
            [START, 4, 4, 4, 4],  # cut: no end
            [START, END, NULL, NULL, NULL],
            [START, UNK, UNK, END, NULL],  # what a caption says does not end it
        ],
    )
    assert vocabulary.n_truncated([["a"] * 3, ["a"] * 4, []], 5) == 1
    assert vocabulary.encode([], 5).shape == (0, 5)


def test_decode_is_the_way_back():
    vocabulary = Vocabulary.build(CAPTIONS)
    sentences = [" ".join(words) for words in CAPTIONS[:2]]
    assert vocabulary.decode(vocabulary.encode(CAPTIONS[:2], 9)) == sentences
    assert vocabulary.decode(jnp.asarray(vocabulary.encode(CAPTIONS[:2], 9))) == sentences
    assert vocabulary.decode(np.array([[4, NULL, 5, END, 4], [END, 4, 4, 4, 4]])) == ["a cat", ""]


@pytest.mark.parametrize("index", [-1, 10])
def test_ids_of_another_vocabulary(index):
    with pytest.raises(InputError, match=f"{index}.* the vocabulary has 10 words"):
        Vocabulary.build(CAPTIONS).decode(np.array([[4, index]]))


@pytest.mark.parametrize("ids", [np.array([4, 5]), np.full((2, 3, 5), 4), np.full((2, 5), 4.0)])
def test_ids_that_are_no_table_of_integers(ids):
    decode = inspect.unwrap(Vocabulary.decode)  # shapes in the signature are checked in tests only
    with pytest.raises(
        InputError, match=r"ids must be integers \(N, T\), got (int|float)64 of shape .* tokens\[:, 0\]"
    ):
        decode(Vocabulary.build(CAPTIONS), ids)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: Vocabulary.build(["a cat"]), "'a cat' is a string"),
        (lambda: Vocabulary.build([["a"]], max_size=3), "max_size is 3"),
        (lambda: Vocabulary.build([["a"]]).encode(["a cat"], 5), "'a cat' is a string"),
        (lambda: Vocabulary.build([["a"]]).encode([["a"]], 2), "max_length is 2"),
        (lambda: Vocabulary(("a", "cat")), "begins with <NULL> <START> <END> <UNK>"),
        (lambda: Vocabulary((*SPECIAL, "a", "a")), "every word once"),
    ],
)
def test_bad_input_is_a_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()


def test_saved_and_loaded(tmp_path):
    vocabulary = Vocabulary.build(CAPTIONS)
    vocabulary.save(tmp_path / "new" / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "new" / "vocabulary.json") == vocabulary
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["vocabulary.json"]


def test_a_damaged_or_foreign_file_is_a_sentence(tmp_path):
    path = tmp_path / "vocabulary.json"
    Vocabulary.build(CAPTIONS).save(path)
    whole = path.read_text()
    header = {"format": json.loads(whole)["format"]}
    contents = [whole[:40], "", "[]", "{}", '{"words": ["a"]}', "\x00", "[" * 100_000]
    contents += [
        json.dumps(header | {"words": words}) for words in (None, "cat", [1], SPECIAL[1:], [*SPECIAL, "a", "a"])
    ]
    for content in contents:
        path.write_text(content)
        with pytest.raises(InputError, match=r"vocabulary\.json (is|cannot)"):
            Vocabulary.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not JSON"):
        Vocabulary.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        Vocabulary.load(tmp_path)


def test_the_courses_file(tmp_path):
    path, words = tmp_path / "coco2014_vocab.json", [*SPECIAL, "a", "on"]
    inverse = {word: index for index, word in enumerate(words)}
    path.write_text(json.dumps({"idx_to_word": words, "word_to_idx": inverse}))
    assert Vocabulary.from_cs231n(path).words == tuple(words)
    for content in ({"idx_to_word": words}, {"idx_to_word": words, "word_to_idx": inverse | {"a": 5}}, {}, [], words):
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"coco2014_vocab\.json is"):
            Vocabulary.from_cs231n(path)
