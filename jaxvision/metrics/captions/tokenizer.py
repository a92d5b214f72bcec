"""Words of a sentence, as the Penn Treebank and the COCO evaluation cut them."""

import re
import unicodedata
from collections.abc import Iterator

from jaxvision.metrics.captions.abbreviations import TWO_WORDS
from jaxvision.metrics.captions.ptb_rules import RULES

DROPPED = frozenset(["", "''", "'", "``", "`", ".", "?", "!", ",", ":", ";", "-", "--", "..."])
"""Punctuation that the COCO evaluation leaves out; double marks, brackets and symbols stay."""

BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}

# Within a token: brackets that belong to it, no soft hyphen.
_INSIDE = str.maketrans({"(": "-lrb-", ")": "-rrb-", "\u00ad": ""})

_PLAIN = re.compile(r"[ \t]*([A-Za-z]+)(?=[ \n])")
_SPACE = re.compile(r"\s+")


def ptb_tokenize(text: str) -> list[str]:
    """Split a sentence into lower-case words, with the punctuation left out.

    The Treebank's manner: `n't` and `'s` are words of their own, `t-shirt`, `3/4` and `u.s.` are one, brackets become
    `-lrb-`, a pound sign `#`. Spelling stays. A line end counts as a space.

    Args:
        text: one sentence or more.

    Returns:
        The words; none for an empty text or punctuation alone.

    Example:
        >>> ptb_tokenize("A man's t-shirt, it isn't his (yet)...")
        ['a', 'man', "'s", 't-shirt', 'it', 'is', "n't", 'his', '-lrb-', 'yet', '-rrb-']

    References:
        Marcus, Santorini and Marcinkiewicz, "Building a large annotated corpus of English: the Penn Treebank",
        Computational Linguistics 19, 1993, https://aclanthology.org/J93-2004. Written to agree with the tokenizer of
        pycocoevalcap 1.2 (Stanford CoreNLP 3.4.1, `-lowerCase`, punctuation dropped); docs/caption_metrics.md lists
        where it does not.
    """
    return [token for token in _tokens(text.replace("\r", " ").replace("\n", " ") + "\n") if token not in DROPPED]


def _tokens(text: str) -> Iterator[str]:
    """All tokens of a line that ends in a newline."""
    position = 0
    while position < len(text):
        if plain := _PLAIN.match(text, position):
            word, position = plain[1].lower(), plain.end()
            yield from TWO_WORDS.get(word, (word,))
        elif space := _SPACE.match(text, position):
            position = space.end()
        else:
            token, position = _longest(text, position)
            # What holds together in spite of a space (22 3/4, a telephone number) is still words to every metric.
            yield from TWO_WORDS.get(token) or token.split()


def _longest(text: str, position: int) -> tuple[str, int]:
    """The token at a position and where the next begins; what no rule knows is a symbol or is dropped."""
    token, end, longest = _symbol(text[position]), position + 1, position
    for pattern, replacement in RULES:
        found = pattern.match(text, position)
        if found and found.end() > longest:
            longest, end = found.end(), found.end(1)
            token = found[1].lower() if replacement is None else found.expand(replacement).lower()
    return BRACKETS.get(token) or token.replace("&amp;", "&").translate(_INSIDE), end


def _symbol(character: str) -> str:
    """A sign, an operator, a raised digit as its own token; control characters and pictographs are none."""
    return character if unicodedata.category(character)[0] in "PSN" and character < "\U00010000" else ""
