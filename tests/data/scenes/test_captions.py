"""Captions against a reader of their own: a small grammar that turns each one into claims and checks these."""

import re

import jax
import numpy as np
import pytest

from jaxvision.data.scenes import (
    BACKGROUNDS,
    CAPTION_WORDS,
    COLORS,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
    describe,
)
from jaxvision.errors import InputError

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4}
PLURALS = {f"{shape}s": shape for shape in SHAPES if shape != "cross"} | {"crosses": "cross", "objects": "object"}
NOUN = "|".join((*PLURALS, *SHAPES, "object"))
PHRASE = rf"(?:a|an|the|one|two|three|four)(?: (?:{'|'.join((*SIZES, *TEXTURES, *COLORS))}))* (?:{NOUN})"
SPATIAL = "to the left of|to the right of|above|below"
GROUND = re.compile(rf"(?P<what>{PHRASE}) (?:on|in front of) (?P<article>an?) (?P<ground>\w+) background")
RELATION = re.compile(rf"(?P<a>{PHRASE})(?: is)? (?P<how>{SPATIAL}|in front of|behind) (?P<b>{PHRASE})")
EXTREME = re.compile(
    rf"the (?P<which>larg|small)(?:est object|(?P<ending>est|er) of the (?P<n>\w+) objects) is (?P<what>{PHRASE})"
)
LIST = re.compile(rf"(?P<frame>there is |there are |(?:a picture|an image) with )?(?P<list>{PHRASE}(?: and {PHRASE})*)")
SINGLE = re.compile(rf"(?:this is |there is |(?:a picture|an image) of )?(?P<what>{PHRASE})")


def matching(scene: Scene, phrase: str) -> list[int]:
    """The objects a noun phrase may mean; checks article, number and plural on the way."""
    determiner, *adjectives, noun = phrase.split()
    number = NUMBERS.get(determiner, 1)
    assert (noun in PLURALS) == (number > 1), phrase
    noun = PLURALS.get(noun, noun)
    if determiner in ("a", "an"):
        assert (determiner == "an") == (phrase.split()[1][0] in "aeiou"), phrase
    order = [next(k for k, kind in enumerate((SIZES, TEXTURES, COLORS)) if word in kind) for word in adjectives]
    assert order == sorted(set(order)), phrase
    found = []
    for i in range(int(scene.n_objects)):
        words = {SIZES[scene.size[i]], TEXTURES[scene.texture[i]], COLORS[scene.color[i]], SHAPES[scene.shape[i]]}
        if {*adjectives, noun} <= words | {"object"}:
            found.append(i)
    if determiner in NUMBERS:
        assert len(found) == number, phrase
    elif determiner == "the":
        assert len(found) == 1, phrase
    assert found, phrase
    return found


def holds(scene: Scene, i: int, how: str, j: int) -> bool:
    if how == "behind":
        return holds(scene, j, "in front of", i)
    if how == "in front of":
        return i > j and scene.hidden[j, i] > 0.05
    (dx, dy) = scene.center[i] - scene.center[j]
    along = {"to the left of": -dx, "to the right of": dx, "above": -dy, "below": dy}[how]
    return along > 0.1 and along >= max(abs(dx), abs(dy))


def check(scene: Scene, caption: str) -> str:
    """Asserts that the caption is grammatical and true; says which kind it is."""
    if match := GROUND.fullmatch(caption):
        assert match["ground"] == BACKGROUNDS[scene.background]
        assert match["article"] == "a"
        matching(scene, match["what"])
        return "ground"
    if match := RELATION.fullmatch(caption):
        pairs = [(i, j) for i in matching(scene, match["a"]) for j in matching(scene, match["b"]) if i != j]
        assert any(holds(scene, i, match["how"], j) for i, j in pairs)
        return match["how"]
    if match := EXTREME.fullmatch(caption):
        if match["n"]:
            assert NUMBERS[match["n"]] == scene.n_objects
            assert (match["ending"] == "er") == (scene.n_objects == 2)
        sign = 1 if match["which"] == "larg" else -1
        best = max(range(int(scene.n_objects)), key=lambda i: sign * scene.scale[i])
        assert best in matching(scene, match["what"])
        return match["which"] + "est"
    if (match := SINGLE.fullmatch(caption)) and not re.match("(there are|two|three|four)", match["what"]):
        matching(scene, match["what"])
        return "single"
    match = LIST.fullmatch(caption)
    assert match, f"not a sentence: {caption}"
    phrases = match["list"].split(" and ")
    numbers = [NUMBERS.get(phrase.split()[0], 1) for phrase in phrases]
    if (match["frame"] or "").startswith("there"):
        assert ("are" in match["frame"]) == (numbers[0] > 1)
    # A list names every object once: its groups are disjoint, its numbers exact, and nothing is left out.
    groups = [matching(scene, phrase) for phrase in phrases]
    if len(phrases) > 1 or numbers[0] > 1:
        assert [len(group) for group in groups] == numbers
        assert sorted(i for group in groups for i in group) == list(range(int(scene.n_objects)))
    return "list"


def test_all_captions_are_true(described):
    kinds: dict[str, int] = {}
    for scene, captions in described:
        for caption in captions:
            kind = check(scene, caption)
            kinds[kind] = kinds.get(kind, 0) + 1
    assert set(kinds) == {"ground", "largest", "smallest", "single", "list", "in front of", "behind"} | set(
        SPATIAL.split("|")
    )
    assert min(kinds.values()) >= 20


@pytest.mark.parametrize(
    "change",
    [
        lambda caption: re.sub(r"\bred\b", "blue", caption),
        lambda caption: caption.replace("left", "right") if "left" in caption else caption.replace("above", "below"),
        lambda caption: caption.replace("in front of the", "behind the"),
        lambda caption: re.sub(r"\btwo\b", "three", caption),
        lambda caption: caption.replace("smallest", "largest"),
        lambda caption: caption.replace("cloudy background", "plain background"),
        lambda caption: re.sub(r"^a orange|^an orange", "a orange", caption),
    ],
)
def test_the_reader_notices_lies(described, change):
    """The check above can fail: most captions that are tampered with are no longer true."""
    noticed = tried = 0
    for scene, captions in described:
        for caption in captions:
            if change(caption) != caption:
                tried += 1
                try:
                    check(scene, change(caption))
                except AssertionError:
                    noticed += 1
    assert tried > 5
    assert noticed > 0.5 * tried


def test_five_different_ones_over_the_vocabulary(described):
    used = set()
    for _, captions in described:
        assert len(captions) == len(set(captions)) == 5
        for caption in captions:
            assert 2 <= len(caption.split()) <= 22
            used |= set(caption.split())
    assert used == set(CAPTION_WORDS)
    assert len(CAPTION_WORDS) == len(set(CAPTION_WORDS))
    assert list(CAPTION_WORDS) == sorted(CAPTION_WORDS)


def test_captions_differ_in_kind_where_there_is_more_to_say(described):
    several = [(scene, captions) for scene, captions in described if scene.n_objects > 1]
    kinds = [len({check(scene, caption) for caption in captions}) for scene, captions in several]
    assert np.mean(kinds) > 3
    assert min(kinds) >= 2


def test_same_scene_same_captions(described):
    scene, captions = described[0]
    assert describe(scene) == captions
    assert describe(jax.tree.map(jax.numpy.asarray, scene)) == captions


def test_a_batch_is_refused(described):
    scene, _ = described[0]
    with pytest.raises(InputError, match="one scene"):
        describe(jax.tree.map(lambda field: np.stack([field, field]), scene))
