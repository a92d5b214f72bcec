"""Whether a caption tells the truth about a scene: read back claim by claim."""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxvision.data.scenes.grammar import (
    COMPARATIVES,
    FRAMES,
    NUMBERS,
    PLURALS,
    SIDES,
    Thing,
    one_scene,
    relations,
    smallest_is_clear,
    things_in,
)
from jaxvision.data.scenes.vocabulary import BACKGROUNDS, COLORS, SHAPES, SIZES, TEXTURES, Scene

CLAIM_KINDS = ("shape", "color", "size", "texture", "count", "relation", "background", "grammar")

_ADJECTIVES = "".join(f"(?:(?:{'|'.join(words)}) )?" for words in (SIZES, TEXTURES, COLORS))
_ONE = rf"an? {_ADJECTIVES}(?:{'|'.join(SHAPES)})"
_THE = _ONE.replace("an?", "(?:the|an?)", 1)
_SEVERAL = rf"(?:{'|'.join(NUMBERS[1:])}) {_ADJECTIVES}(?:{'|'.join(PLURALS[shape] for shape in SHAPES)})"
_ANY = rf"(?:{_ONE}|{_SEVERAL})"
_OBJECTS = rf"one object|(?:{'|'.join(NUMBERS[1:])}) {PLURALS['object']}"

_SETTING = re.compile(
    rf"(?:(?P<number>{_OBJECTS})|(?P<what>{_ANY})) (?:on|in front of) a (?P<ground>{'|'.join(BACKGROUNDS)}) background"
)
_RELATION = re.compile(rf"(?P<a>{_THE})(?: is)? (?P<how>{'|'.join((*SIDES, 'in front of', 'behind'))}) (?P<b>{_THE})")
_EXTREME = re.compile(
    rf"the (?:(?P<most>{'|'.join(COMPARATIVES)}) (?:object|of the (?P<number>{'|'.join(NUMBERS[2:])}) objects)"
    rf"|(?P<more>{'|'.join(COMPARATIVES.values())}) of the two objects) is (?P<what>{_ONE})"
)
_SINGLE = re.compile(rf"(?:(?:{'|'.join(frame for frame in FRAMES if frame)}) )?(?P<list>{_ONE})")
_LIST = re.compile(
    rf"(?:there (?:is (?={_ONE})|are (?={_SEVERAL}))|(?:a picture|an image) with )?(?P<list>{_ANY}(?: and {_ANY})*)"
)
_WRONG_ARTICLE = re.compile(r"\ba (?=[aeiou])|\ban (?![aeiou])")


class Claim(NamedTuple):
    """One thing that a caption says.

    Fields:
        kind: one of CLAIM_KINDS.
        text: the words that say it, as "red ring" of "two large red rings"; the whole caption for "grammar".
        true: whether it holds.
    """

    kind: str
    text: str
    true: bool


class _Mention(NamedTuple):
    """A noun phrase: how many (None for "a", 1 for "the"), the words by kind, and as it was said."""

    number: int | None
    words: dict[str, str]
    text: str


_Referents = Sequence[int | None]  # the object that each mention means


def judge(caption: str, scene: Scene) -> list[Claim]:
    """Reads a caption of the kinds that `describe` writes and checks everything that it claims.

    "a" claims that there is at least one such object, "the" that there is exactly one, a number exactly so many, and a
    list joined by "and" that nothing is left out. Relations, and which object is the smallest, hold where they are as
    plain to see as `describe` asks. A phrase is taken to mean the object that leaves the fewest claims false, so that
    a red ring called blue is one false claim (colour), not several. A caption is true if all its claims are.

    Args:
        caption: words separated by single spaces, in lower case, without punctuation.
        scene: one scene (not a batch).

    Returns:
        The claims, those of the phrases first. A caption that `describe` could not have written for any scene is a
        single false claim of kind "grammar".

    Raises:
        InputError: if a batch of scenes is given.

    Example:
        >>> import jax
        >>> from jaxvision.data.scenes import describe, sample_scene
        >>> scene = sample_scene(jax.random.key(3))
        >>> all(claim.true for caption in describe(scene) for claim in judge(caption, scene))
        True
        >>> judge("a red on", scene)
        [Claim(kind='grammar', text='a red on', true=False)]

    References:
        Anna Rohrbach, Lisa Anne Hendricks, Kaylee Burns, Trevor Darrell and Kate Saenko, "Object hallucination in image
        captioning", EMNLP 2018, https://arxiv.org/abs/1809.02156, for counting what a caption makes up. Departure:
        attributes, numbers and relations are checked as well, exactly, against the scene.
    """
    scene = one_scene(scene, "judge")
    things = things_in(scene)
    if _WRONG_ARTICLE.search(caption):
        return [Claim("grammar", caption, False)]
    if match := _SETTING.fullmatch(caption):
        return _setting(match, things, BACKGROUNDS[int(scene.background)])
    if match := _RELATION.fullmatch(caption):
        return _relation(match, things, np.asarray(scene.hidden))
    if match := _EXTREME.fullmatch(caption):
        return _extreme(match, things)
    if match := _SINGLE.fullmatch(caption) or _LIST.fullmatch(caption):
        return _list(match["list"], things)
    return [Claim("grammar", caption, False)]


def _setting(match: re.Match[str], things: list[Thing], background: str) -> list[Claim]:
    if match["what"]:
        claims = _fewest_false([_mention(match["what"])], things)
    else:
        number = _number(match["number"].split()[0])
        claims = [Claim("count", match["number"], number == len(things))]
    return [*claims, Claim("background", f"{match['ground']} background", match["ground"] == background)]


def _relation(match: re.Match[str], things: list[Thing], hidden: np.ndarray) -> list[Claim]:
    def related(referents: _Referents) -> Claim:
        i, j = referents
        holds = i is not None and j is not None and match["how"] in relations(things, hidden, i, j)
        return Claim("relation", match[0], holds)

    return _fewest_false([_mention(match["a"]), _mention(match["b"])], things, related)


def _extreme(match: re.Match[str], things: list[Thing]) -> list[Claim]:
    word = "largest" if (match["most"] or match["more"]) in ("largest", "larger") else "smallest"
    scales = [thing.scale for thing in things]
    meant = scales.index(max(scales) if word == "largest" else min(scales))
    if word == "smallest" and not smallest_is_clear(things):
        meant = None
    claims = _fewest_false(
        [_mention(match["what"])], things, lambda referents: Claim("size", f"{word} object", referents[0] == meant)
    )
    number = "two" if match["more"] else match["number"]
    return claims + ([Claim("count", f"{number} objects", _number(number) == len(things))] if number else [])


def _list(text: str, things: list[Thing]) -> list[Claim]:
    mentions = [_mention(part) for part in text.split(" and ")]
    if len(mentions) == 1:
        return _fewest_false(mentions, things)
    return _fewest_false(
        mentions, things, lambda referents: Claim("count", text, _complete(mentions, things, referents))
    )


def _complete(mentions: list[_Mention], things: list[Thing], referents: _Referents) -> bool:
    """Every object is one of those listed: each takes a place of its own whose (true) words fit it."""
    places = [
        _true_words(mention, things, i)
        for mention, i in zip(mentions, referents, strict=True)
        for _ in range(mention.number or 1)
    ]
    return len(places) == len(things) and any(
        all(_fits(thing, words) for thing, words in zip(order, places, strict=True))
        for order in itertools.permutations(things)
    )


def _fewest_false(
    mentions: list[_Mention], things: list[Thing], more: Callable[[_Referents], Claim] | None = None
) -> list[Claim]:
    """The claims in the caption's best sense; among equally good ones, one that has the shapes right."""
    best: list[Claim] = []
    best_score = (-math.inf, 0)
    for referents in _readings(len(mentions), len(things)):
        claims = [c for mention, i in zip(mentions, referents, strict=True) for c in _claims(mention, things, i)]
        claims += [more(referents)] if more else []
        score = (-sum(not claim.true for claim in claims), sum(c.true for c in claims if c.kind == "shape"))
        if score > best_score:
            best, best_score = claims, score
        if score[0] == 0:
            break
    return best


def _readings(n_mentions: int, n_things: int) -> Iterator[_Referents]:
    """All ways in which mentions mean objects, each a different one; None where there are no objects left."""
    if n_mentions <= n_things:
        yield from itertools.permutations(range(n_things), n_mentions)
        return
    for chosen in itertools.permutations(range(n_mentions), n_things):
        yield [chosen.index(k) if k in chosen else None for k in range(n_mentions)]


def _claims(mention: _Mention, things: list[Thing], i: int | None) -> list[Claim]:
    shape = mention.words["shape"]
    kept = _true_words(mention, things, i)
    made = [
        Claim(kind, word if kind == "shape" else f"{word} {shape}", kind in kept)
        for kind, word in mention.words.items()
    ]
    if mention.number is not None:
        # Of the words that are true: two blue rings called red are a wrong colour, not a wrong number as well.
        found = sum(_fits(thing, kept) for thing in things)
        made.append(Claim("count", mention.text, i is not None and found == mention.number))
    return made


def _true_words(mention: _Mention, things: list[Thing], i: int | None) -> dict[str, str]:
    if i is None:
        return {}
    return {kind: word for kind, word in mention.words.items() if getattr(things[i], kind) == word}


def _fits(thing: Thing, words: dict[str, str]) -> bool:
    return all(getattr(thing, kind) == word for kind, word in words.items())


def _mention(text: str) -> _Mention:
    determiner, *adjectives, noun = text.split()
    kinds = {"size": SIZES, "texture": TEXTURES, "color": COLORS}
    words = {kind: word for word in adjectives for kind, known in kinds.items() if word in known}
    words["shape"] = next(shape for shape in SHAPES if noun in (shape, PLURALS[shape]))
    number = None if determiner in ("a", "an") else 1 if determiner == "the" else _number(determiner)
    return _Mention(number, words, text)


def _number(word: str) -> int:
    return NUMBERS.index(word) + 1
