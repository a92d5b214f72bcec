"""Trained captioners as files, with all that it takes to caption a picture: vocabulary, encoder, decoding."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.captioners import ATTENTIVE, OfRawCells, built_by, named_leaves
from experiments.encoders import Encoder, load_encoder, whole_batches
from experiments.networks import CHECKPOINTS
from experiments.runs import load_exported
from jaxvision import weights
from jaxvision.captioning import (
    Captioner,
    Vocabulary,
    beam_search,
    captioner,
    greedy,
    sample,
    with_min_length,
    without_repeats,
)
from jaxvision.errors import InputError
from jaxvision.files import parse_json

EMBEDDED = CHECKPOINTS / "captioner_scenes.safetensors"
BATCH = 100  # pictures decoded at once
ENCODERS = ("scenes", "imagenet", "course")

_STATED = ("encoder", "encoder_sha256", "max_length", "vocabulary")  # by every file
_LARGEST, _MOST_LAYERS = 1 << 20, 100
_ANEW = "get or train the file anew"


@dataclass(frozen=True)
class TrainedCaptioner:
    """A captioner and what it takes to use it.

    Attributes:
        model: the captioner, one that takes the encoder's features as they are.
        vocabulary: the words behind its ids.
        encoder: what makes its features.
        max_length: words of a caption at most, END among them.
    """

    model: Any
    vocabulary: Vocabulary
    encoder: Encoder
    max_length: int

    def captions(
        self,
        features: Float[np.ndarray, "n *d"],
        decoder: str = "beam",
        *,
        num_beams: int = 5,
        length_penalty: float = 1.0,
        temperature: float = 1.0,
        top_p: float | None = 0.9,
        min_length: int = 1,
        no_repeat_ngram_size: int = 0,
        num_beam_groups: int = 1,
        diversity_penalty: float = 0.0,
        required: tuple[int, ...] = (),
        num_return_sequences: int = 1,
        seed: int = 0,
    ) -> list[str]:
        """Sentences for pictures, a batch at a time; several of a picture stand side by side.

        Args:
            features: `(N, D)` or `(N, L, D)`, of the encoder.
            decoder: "greedy", "beam" or "sample".
            num_beams: hypotheses of a beam search.
            length_penalty: of a beam search.
            temperature: of samples.
            top_p: of samples, the share of the probability that is drawn from.
            min_length: words at least, END among them.
            no_repeat_ngram_size: so many words in a row do not come twice; 0: they may.
            num_beam_groups: of a beam search.
            diversity_penalty: of a beam search, between its groups.
            required: words that every caption of a beam search holds.
            num_return_sequences: captions of each picture, by beam search or sampling.
            seed: of samples; a picture draws by its number, whatever others are with it.
        """
        said: list[str] = []
        for number, rows in enumerate(whole_batches(features, BATCH)):
            step, carry = self.model.step, self.model.start(jnp.asarray(rows, jnp.float32))
            if min_length > 1:
                step, carry = with_min_length(step, carry, min_length)
            if no_repeat_ngram_size:
                step, carry = without_repeats(step, carry, no_repeat_ngram_size, max_length=self.max_length)
            if decoder == "beam":
                beams = beam_search(
                    step,
                    carry,
                    num_beams=num_beams,
                    max_length=self.max_length,
                    length_penalty=length_penalty,
                    num_beam_groups=num_beam_groups,
                    diversity_penalty=diversity_penalty,
                    force_words_ids=required,
                    num_return_sequences=num_return_sequences,
                )
                tokens = beams.tokens.reshape(-1, self.max_length)
            elif decoder == "sample":
                keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(number * BATCH + jnp.arange(BATCH))
                tokens = sample(
                    step,
                    carry,
                    keys,
                    max_length=self.max_length,
                    temperature=temperature,
                    top_p=top_p,
                    num_return_sequences=num_return_sequences,
                ).tokens
            else:
                tokens = greedy(step, carry, max_length=self.max_length).tokens
            said += self.vocabulary.decode(np.asarray(tokens))
        return said[: len(features) * (1 if decoder == "greedy" else num_return_sequences)]

    def maps(self, features: Float[np.ndarray, "n l d"], captions: Sequence[str]) -> Float[np.ndarray, "n t l"]:
        """Where an attentive captioner looked for each word of captions, END with them.

        Args:
            features: `(N, L, D)`, of the encoder.
            captions: one for each picture, in the vocabulary's words.

        Returns:
            `(N, T, L)`; `[n, t]` sums to one, and means nothing after the caption's end.
        """
        words = [caption.split() for caption in captions]
        tokens = self.vocabulary.encode(words, self.max_length + 1)  # START, and as many words as are said
        batches = zip(whole_batches(features, BATCH), whole_batches(tokens[:, :-1], BATCH), strict=True)
        found = [np.asarray(_maps(self.model, jnp.asarray(rows, jnp.float32), read)) for rows, read in batches]
        return np.concatenate(found)[: len(features)]


@jax.jit
def _maps(model: Any, grid: Float[Array, "n l d"], tokens: Int[Array, "n t"]) -> Float[Array, "n t l"]:
    return model.attend(grid, tokens)[1]


def save_captioner(file: Path, captioner: TrainedCaptioner) -> None:
    """Writes a captioner in half precision: a plain one under the names of the assignment's parameters.

    Raises:
        InputError: if the file cannot be written.
    """
    model = captioner.model
    about = {
        "kind": "captioner",
        "encoder": captioner.encoder.name,
        "encoder_sha256": captioner.encoder.digest,
        "max_length": str(captioner.max_length),
        "vocabulary": json.dumps(captioner.vocabulary.words),
    }
    if isinstance(model, Captioner):
        about["cell"] = model.cell
    else:
        name, sizes = built_by(model.model)
        about |= {"model": name, "sizes": json.dumps(sizes)}
    tensors = {name: np.asarray(value, np.float16) for name, value in named_leaves(model).items()}
    weights.save(file, tensors, about)


def load_captioner(file: Path) -> TrainedCaptioner:
    """The captioner of a file.

    Raises:
        InputError: if the file is missing, damaged or of another kind, its vocabulary does not fit, or the encoder is
            not the one it was trained with.
    """
    about, tensors = load_exported(file, "captioner", "caption")
    lacking = {*_STATED, "sizes" if "model" in about else "cell"} - about.keys()
    if lacking:
        raise InputError(f"{file} does not state {', '.join(sorted(lacking))} of its captioner: {_ANEW}")
    if about["encoder"] not in ENCODERS or not re.fullmatch(r"[1-9]\d{0,3}", about["max_length"], re.ASCII):
        raise InputError(
            f"{file} states the encoder {about['encoder']!r} and captions of {about['max_length']!r} words: expected "
            f"one of {', '.join(ENCODERS)} and 1 to 9999; {_ANEW}"
        )
    vocabulary = _vocabulary(file, about["vocabulary"])
    template = _template(file, about, tensors)
    leaves = named_leaves(template)
    missing = [name for name in leaves if name not in tensors]
    if missing:
        raise InputError(f"{file} is damaged, its captioner has no {missing[0]}: {_ANEW}")
    n_words = next(leaf.shape[0] for name, leaf in leaves.items() if name.endswith("W_embed"))
    for name, leaf in leaves.items():
        if tensors[name].shape != leaf.shape:
            raise InputError(
                f"{file} is damaged, {name} of its captioner has the shape {tensors[name].shape}, expected "
                f"{leaf.shape}: {_ANEW}"
            )
    if len(vocabulary) != n_words:
        raise InputError(
            f"{file} has {len(vocabulary)} words and weights for {n_words}: the vocabulary does not match the "
            f"captioner, {_ANEW}"
        )
    encoder = load_encoder(about["encoder"], grid="model" in about)
    if encoder.digest != about["encoder_sha256"]:
        raise InputError(
            f"{file} was trained on features of another network than {encoder.name} is now: train it anew with "
            "python -m experiments.caption"
        )
    arrays = [jnp.asarray(tensors[name], jnp.float32) for name in leaves]
    model = jax.tree.unflatten(jax.tree.structure(template), arrays)
    return TrainedCaptioner(model, vocabulary, encoder, int(about["max_length"]))


def _vocabulary(file: Path, text: str) -> Vocabulary:
    words = parse_json(text, f"the vocabulary in {file}", _ANEW)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"the vocabulary in {file} is no list of words: {_ANEW}")
    try:
        return Vocabulary(tuple(words))
    except InputError as error:
        raise InputError(f"the vocabulary in {file} cannot be used ({error}): {_ANEW}") from error


def _template(file: Path, about: dict[str, str], tensors: dict[str, np.ndarray]) -> Any:
    """A captioner of the file's structure, whose leaves are shapes."""
    build, sizes = partial(captioner, cell=about.get("cell", "")), {}
    if "model" in about:
        build, sizes = ATTENTIVE.get(about["model"]), parse_json(about["sizes"], f"the sizes in {file}", _ANEW)
    elif {"W_proj", "W_embed"} <= set(tensors) and tensors["W_proj"].ndim == tensors["W_embed"].ndim == 2:
        (features, hidden), (words, embedded) = tensors["W_proj"].shape, tensors["W_embed"].shape
        sizes = {"feature_size": features, "hidden_size": hidden, "vocabulary_size": words, "embed_size": embedded}
    known = isinstance(sizes, dict) and all(type(size) is int and 0 < size <= _LARGEST for size in sizes.values())
    if build is None or not known or sizes.get("num_layers", 1) > _MOST_LAYERS:
        raise InputError(f"{file} holds a captioner of no kind or size known here: {_ANEW}")
    try:
        model = jax.eval_shape(partial(build, **sizes), jax.random.key(0))
    except Exception as error:  # sizes that no captioner has, or that do not go together
        raise InputError(f"{file} holds a captioner that cannot be built ({error}): {_ANEW}") from error
    if "model" not in about:
        return model
    of_cells: Any = jax.ShapeDtypeStruct((sizes["feature_size"],), jnp.float32)
    return OfRawCells(model, of_cells, of_cells)


def rounded(captioner: TrainedCaptioner) -> TrainedCaptioner:
    """The captioner as `load_captioner` will find it."""
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.float16).astype(leaf.dtype), captioner.model)
    return replace(captioner, model=half)
