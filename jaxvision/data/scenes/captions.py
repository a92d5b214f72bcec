"""Says what a scene shows: five short English captions, each of them true, over a fixed vocabulary."""

import itertools
import zlib

import numpy as np

from jaxvision.data.scenes.grammar import (
    COMPARATIVES,
    FRAMES,
    NUMBERS,
    PLURALS,
    SIDES,
    Thing,
    article,
    counted,
    one_scene,
    relations,
    smallest_is_clear,
    things_in,
)
from jaxvision.data.scenes.vocabulary import BACKGROUNDS, COLORS, SHAPES, SIZES, TEXTURES, Scene

CAPTION_WORDS = tuple(
    sorted(
        {*SHAPES, *COLORS, *SIZES, *TEXTURES, *BACKGROUNDS, *NUMBERS, *PLURALS, *PLURALS.values()}
        | {"a", "an", "the", "and", "is", "are", "there", "with", "on", "of", "in", "front", "behind", "background"}
        | {*COMPARATIVES, *COMPARATIVES.values()}
        | set(" ".join((*SIDES, *FRAMES)).split())
    )
)


def describe(scene: Scene) -> tuple[str, str, str, str, str]:
    """Five different reference captions of a scene, as five people might put it.

    Every caption is a true statement about the scene: "a" means that there is at least one such object, "the" that
    there is exactly one, a number that there are exactly so many, and a list of objects joined by "and" leaves none
    out. Left, right, above and below compare centres; "in front of" and "behind" mean that one covers at least a
    tenth of the other. All words are in CAPTION_WORDS; there is no punctuation. The same scene gets the same captions.

    Args:
        scene: one scene (not a batch).

    Returns:
        Five captions of at most 22 words, in lower case.

    Raises:
        InputError: if a batch of scenes is given.

    Example:
        >>> import jax
        >>> from jaxvision.data.scenes import sample_scene
        >>> captions = describe(sample_scene(jax.random.key(3)))
        >>> len(set(captions))
        5
    """
    scene = one_scene(scene, "describe")
    things = things_in(scene)
    rng = np.random.default_rng(_content_seed(scene))
    n = len(things)
    largest = max(range(n), key=lambda i: things[i].scale)
    makers = [
        lambda: _one_object(rng, things, largest),
        lambda: _setting(rng, things, largest, BACKGROUNDS[int(scene.background)]),
        lambda: _inventory(rng, things),
    ]
    if n > 1:
        makers += [lambda: _extreme(rng, things), lambda: _one_object(rng, things, int(rng.integers(n)))]
        makers += [lambda: _relation(rng, things, np.asarray(scene.hidden))] * 3
    captions: list[str] = []
    # A kind of caption may have nothing (new) to say; the first kind has some ninety ways to say it.
    for index in itertools.chain(rng.permutation(len(makers)), itertools.cycle(range(len(makers)))):
        caption = makers[index]()
        if caption and caption not in captions:
            captions.append(caption)
        if len(captions) == 5:
            break
    first, second, third, fourth, fifth = captions
    return first, second, third, fourth, fifth


def _content_seed(scene: Scene) -> int:
    """A number that follows from what the scene shows, coarse enough to be the same on every machine."""
    positions = np.round(scene.center * 50).astype(np.int64)
    fields = (scene.n_objects, scene.shape, scene.color, scene.texture, scene.background, positions)
    return zlib.crc32(np.concatenate([np.ravel(field).astype("<i8") for field in fields]).tobytes())


def _words(rng: np.random.Generator, thing: Thing, *, use_size: bool = True) -> str:
    """Some of what is to be said about an object, in English order: size, texture, colour, shape."""
    keep = rng.random(3) < (0.4 * use_size, 0.5, 0.85)
    adjectives = [word for word, kept in zip(thing[:3], keep, strict=True) if kept]
    return " ".join([*adjectives, thing.shape])


def _matches(thing: Thing, words: str) -> bool:
    return set(words.split()) <= set(thing[:4])


def _mention(rng: np.random.Generator, things: list[Thing], i: int) -> str:
    """ "a" or, of the only one of its kind, sometimes "the"."""
    words = _words(rng, things[i])
    unique = sum(_matches(other, words) for other in things) == 1
    return f"the {words}" if unique and rng.random() < 0.35 else article(words)


def _framed(rng: np.random.Generator, words: str) -> str:
    return f"{rng.choice(FRAMES)} {words}".strip()


def _one_object(rng: np.random.Generator, things: list[Thing], i: int) -> str:
    """ "there is a large striped red ring"."""
    return _framed(rng, article(_words(rng, things[i])))


def _setting(rng: np.random.Generator, things: list[Thing], largest: int, background: str) -> str:
    """ "a red ring on a cloudy background", "three objects on a plain background"."""
    if rng.random() < 0.25:
        subject = "one object" if len(things) == 1 else counted(len(things), "object")
    else:
        subject = article(_words(rng, things[largest]))
    return f"{subject} {rng.choice(('on', 'in front of'))} {article(background)} background"


def _inventory(rng: np.random.Generator, things: list[Thing]) -> str:
    """ "a picture with two red rings and a star": every object, those that share their words together."""
    parts = ((3,), (2, 3), (2, 3), (1, 3), (0, 3), (0, 2, 3))[rng.integers(6)]
    groups: dict[str, int] = {}
    for i in rng.permutation(len(things)):
        words = " ".join(things[i][part] for part in parts)
        groups[words] = groups.get(words, 0) + 1
    # The bigger a group, the earlier: "two rings and a star" rather than "a star and two rings".
    listed = sorted(groups.items(), key=lambda item: -item[1])
    text = " and ".join(counted(number, words) for words, number in listed)
    verb = "is" if listed[0][1] == 1 else "are"
    return str(rng.choice((text, f"there {verb} {text}", f"a picture with {text}", f"an image with {text}")))


def _extreme(rng: np.random.Generator, things: list[Thing]) -> str:
    """ "the largest object is a red ring", "the largest of the three objects is a red ring"."""
    ranked = sorted(things, key=lambda thing: thing.scale)
    smallest = smallest_is_clear(things) and rng.random() < 0.5
    word, thing = ("smallest", ranked[0]) if smallest else ("largest", ranked[-1])
    if rng.random() < 0.5:
        subject = f"{word} object"
    elif len(things) == 2:
        subject = f"{COMPARATIVES[word]} of the two objects"
    else:
        subject = f"{word} of the {counted(len(things), 'object')}"
    return f"the {subject} is {article(_words(rng, thing, use_size=False))}"


def _relation(rng: np.random.Generator, things: list[Thing], hidden: np.ndarray) -> str | None:
    """ "the red ring is above a small star", "a star in front of a ring"; None if no two objects are in a clear one."""
    pairs = itertools.permutations(range(len(things)), 2)
    found = [(i, relation, j) for i, j in pairs for relation in relations(things, hidden, i, j)]
    if not found:
        return None
    i, relation, j = found[rng.integers(len(found))]
    verb = " is" if rng.random() < 0.4 else ""
    return f"{_mention(rng, things, i)}{verb} {relation} {_mention(rng, things, j)}"
