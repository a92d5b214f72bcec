"""Trained captioners as files, with all that it takes to caption a picture: vocabulary, encoder, decoding."""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.encoders import Encoder, load_encoder, whole_batches
from experiments.networks import CHECKPOINTS
from experiments.runs import load_exported
from jaxvision import weights
from jaxvision.captioning import Captioner, Vocabulary, beam_search, greedy, sample
from jaxvision.errors import InputError
from jaxvision.recurrent import GRUParams, RecurrentParams

EMBEDDED = CHECKPOINTS / "captioner_scenes.safetensors"
BATCH = 100  # pictures decoded at once


@dataclass(frozen=True)
class TrainedCaptioner:
    """A captioner and what it takes to use it.

    Attributes:
        model: the captioner.
        vocabulary: the words behind its ids.
        encoder: what makes its features.
        max_length: words of a caption at most, END among them.
    """

    model: Captioner
    vocabulary: Vocabulary
    encoder: Encoder
    max_length: int

    def captions(
        self,
        features: Float[np.ndarray, "n d"],
        decoder: str = "beam",
        *,
        num_beams: int = 5,
        length_penalty: float = 1.0,
        temperature: float = 1.0,
        top_p: float | None = 0.9,
        seed: int = 0,
    ) -> list[str]:
        """Sentences for pictures, a batch at a time.

        Args:
            features: `(N, D)`, of the encoder.
            decoder: "greedy", "beam" or "sample".
            num_beams: hypotheses of a beam search.
            length_penalty: of a beam search.
            temperature: of samples.
            top_p: of samples, the share of the probability that is drawn from.
            seed: of samples; a picture draws by its number, whatever others are with it.
        """
        said: list[str] = []
        for number, rows in enumerate(whole_batches(features, BATCH)):
            carry = self.model.start(jnp.asarray(rows))
            if decoder == "beam":
                beams = beam_search(
                    self.model.step,
                    carry,
                    num_beams=num_beams,
                    max_length=self.max_length,
                    length_penalty=length_penalty,
                )
                tokens = beams.tokens[:, 0]
            elif decoder == "sample":
                keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(seed)))(number * BATCH + jnp.arange(BATCH))
                tokens = sample(
                    self.model.step, carry, keys, max_length=self.max_length, temperature=temperature, top_p=top_p
                ).tokens
            else:
                tokens = greedy(self.model.step, carry, max_length=self.max_length).tokens
            said += self.vocabulary.decode(np.asarray(tokens))
        return said[: len(features)]


def save_captioner(file: Path, captioner: TrainedCaptioner) -> None:
    """Writes a captioner in half precision, under the names of the assignment's parameters.

    Raises:
        InputError: if the file cannot be written.
    """
    model = captioner.model
    tensors = {name: getattr(model, name) for name in Captioner._fields if name != "recurrent"}
    tensors |= model.recurrent._asdict()
    about = {
        "kind": "captioner",
        "cell": model.cell,
        "encoder": captioner.encoder.name,
        "encoder_sha256": captioner.encoder.digest,
        "max_length": str(captioner.max_length),
        "vocabulary": json.dumps(captioner.vocabulary.words),
    }
    weights.save(file, {name: np.asarray(value, np.float16) for name, value in tensors.items()}, about)


def load_captioner(file: Path) -> TrainedCaptioner:
    """The captioner of a file.

    Raises:
        InputError: if the file is missing, damaged or of another kind, its vocabulary does not fit, or the encoder is
            not the one it was trained with.
    """
    names = {*Captioner._fields, "Wx", "Wh", "b"} - {"recurrent"}
    about, tensors = load_exported(file, "captioner", "caption", names)
    vocabulary = Vocabulary(tuple(json.loads(about["vocabulary"])))
    if not len(vocabulary) == len(tensors["W_embed"]) == tensors["W_vocab"].shape[1]:
        raise InputError(
            f"{file} has {len(vocabulary)} words and weights for {len(tensors['W_embed'])}: the vocabulary does not "
            "match the captioner, get or train the file anew"
        )
    encoder = load_encoder(about["encoder"])
    if encoder.digest != about["encoder_sha256"]:
        raise InputError(
            f"{file} was trained on features of another network than {encoder.name} is now: train it anew with "
            "python -m experiments.caption"
        )
    arrays = {name: jnp.asarray(value, jnp.float32) for name, value in tensors.items()}
    cell = GRUParams if about["cell"] == "gru" else RecurrentParams
    recurrent = cell(**{name: arrays.pop(name) for name in cell._fields})
    return TrainedCaptioner(Captioner(recurrent=recurrent, **arrays), vocabulary, encoder, int(about["max_length"]))


def rounded(captioner: TrainedCaptioner) -> TrainedCaptioner:
    """The captioner as `load_captioner` will find it."""
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.float16).astype(leaf.dtype), captioner.model)
    return replace(captioner, model=half)
