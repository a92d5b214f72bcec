"""What captioners say by each decoder, and whether the settings of decoding can work."""

import difflib
from functools import partial
from typing import Any

import numpy as np

from experiments.captioner_files import TrainedCaptioner
from experiments.inputs import require_number
from jaxvision.captioning import UNK, Vocabulary
from jaxvision.errors import InputError

MOST_REQUIRED = 5  # words: each doubles the hypotheses


def check_decoding(config: Any) -> None:
    """Whether the numbers can be, before anything is trained or read.

    Raises:
        InputError: if one cannot.

    Example:
        >>> from experiments.caption import Config
        >>> check_decoding(Config(num_beams=5, num_beam_groups=2))
        Traceback (most recent call last):
        jaxvision.errors.InputError: --num-beam-groups must divide --num-beams, 5, got 2
    """
    for name in ("num_beams", "min_length", "num_beam_groups", "num_return_sequences"):
        require_number(config, name, above=0)
    for name in ("no_repeat_ngram_size", "diversity_penalty"):
        require_number(config, name, at_least=0)
    if config.temperature < 0:
        raise InputError(f"--temperature must be 0 (the most probable words) or more, got {config.temperature}")
    if config.num_beams % config.num_beam_groups:
        raise InputError(f"--num-beam-groups must divide --num-beams, {config.num_beams}, got {config.num_beam_groups}")
    if config.diversity_penalty and config.num_beam_groups == 1:
        raise InputError("--diversity-penalty is between groups: give --num-beam-groups of 2 or more with it")
    if config.num_return_sequences > config.num_beams:
        raise InputError(
            f"--num-return-sequences must be at most --num-beams, {config.num_beams}, got {config.num_return_sequences}"
        )
    if config.require and config.num_beam_groups > 1:
        raise InputError("--require and --num-beam-groups do not go together: leave one of them out")
    if len(config.require) > MOST_REQUIRED:
        raise InputError(
            f"--require takes at most {MOST_REQUIRED} words, each doubles the hypotheses; got {len(config.require)}"
        )


def word_ids(words: tuple[str, ...], vocabulary: Vocabulary) -> tuple[int, ...]:
    """Ids of words that captions are to hold.

    Raises:
        InputError: if the captioner does not know one.

    Example:
        >>> word_ids(("star",), Vocabulary.build([["a", "red", "star"]]))
        (6,)
    """
    known = {word: place for place, word in enumerate(vocabulary.words) if place > UNK}
    for word in words:
        if word not in known:
            near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
            hint = f"give one that it knows, such as {', '.join(near or list(known)[:3])}"
            raise InputError(f"--require {word}: it is none of the {len(known)} words of this captioner, {hint}")
    return tuple(known[word] for word in words)


def decoded(captioner: TrainedCaptioner, features: np.ndarray, config: Any) -> dict[str, list[str]]:
    """What each decoder says, the one to be believed first; a second caption of a picture is that of "beam 2".

    Args:
        captioner: says it.
        features: `(N, D)` or `(N, L, D)`.
        config: with the options of decoding.

    Raises:
        InputError: if a required word is not known.
    """
    required = word_ids(config.require, captioner.vocabulary)
    if len(required) > captioner.max_length:
        raise InputError(f"captions of {captioner.max_length} words cannot hold the {len(required)} of --require")
    captions = partial(
        captioner.captions, features, min_length=config.min_length, no_repeat_ngram_size=config.no_repeat_ngram_size
    )
    n_each = config.num_return_sequences
    beams = captions(
        "beam",
        num_beams=config.num_beams,
        length_penalty=config.length_penalty,
        num_beam_groups=config.num_beam_groups,
        diversity_penalty=config.diversity_penalty,
        required=required,
        num_return_sequences=n_each,
    )
    samples = captions("sample", temperature=config.temperature, seed=config.seed, num_return_sequences=n_each)
    return {**_by_rank("beam", beams, n_each), "greedy": captions("greedy"), **_by_rank("sample", samples, n_each)}


def _by_rank(name: str, captions: list[str], n_each: int) -> dict[str, list[str]]:
    """Captions side by side as decoders of their own.

    Example:
        >>> _by_rank("beam", ["a", "b", "c", "d"], 2)
        {'beam': ['a', 'c'], 'beam 2': ['b', 'd']}
    """
    return {f"{name} {rank + 1}" if rank else name: captions[rank::n_each] for rank in range(n_each)}
