"""What a reader types finds the class meant, or a sentence that helps."""

import pytest

from experiments.classes import find_class
from jaxvision.errors import InputError

NAMES = ("tench, Tinca tinca", "goldfish, Carassius auratus", "crane", "golden retriever", "crane", "maillot",
         "maillot, tank suit", "red circle")  # fmt: skip


@pytest.mark.parametrize(
    ("words", "index"),
    [
        ("tench", 0),
        ("TINCA  tinca", 0),
        ("tench, Tinca tinca", 0),
        ("carassius auratus", 1),
        ("Red Circle", 7),
        ("tank suit", 6),
        ("2", 2),
        ("007", 7),
    ],
)
def test_an_index_or_any_synonym_in_any_case(words, index):
    assert find_class(NAMES, words) == index


@pytest.mark.parametrize(("words", "nearest"), [("goldfihs", "goldfish"), ("retriever", "golden retriever")])
def test_an_unknown_name_suggests_the_nearest(words, nearest):
    with pytest.raises(InputError, match=f'no class is called "{words}".*{nearest}.*index from 0 to 7'):
        find_class(NAMES, words)


def test_a_name_like_no_other_still_says_what_is_expected():
    with pytest.raises(InputError, match='no class is called "zzz": give an index from 0 to 7'):
        find_class(NAMES, "zzz")


@pytest.mark.parametrize(("words", "choices"), [("crane", "2 .crane., 4 .crane."), ("maillot", "5 .*6 ")])
def test_an_ambiguous_name_lists_its_indices(words, choices):
    with pytest.raises(InputError, match=f'2 classes are called "{words}".*{choices}'):
        find_class(NAMES, words)


@pytest.mark.parametrize("words", ["8", "-1", "1000"])
def test_an_index_out_of_range_says_the_range(words):
    with pytest.raises(InputError, match="numbered from 0 to 7"):
        find_class(NAMES, words)
