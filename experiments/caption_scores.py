"""How good captions are: against what people say, against what people reach, and, for scenes, against the truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxvision.data.captions import CaptionedScenes
from jaxvision.data.scenes import CLAIM_KINDS, judge
from jaxvision.metrics.captions import evaluate

STATED = ("color", "shape", "count", "relation")  # the claims that the whole truth is measured by


@dataclass(frozen=True)
class Truth:
    """How many of the claims of some captions hold.

    Attributes:
        made: by kind, how many claims were made.
        held: by kind, how many of them are true.
        captions: share of captions all of whose claims are true.
    """

    made: dict[str, int]
    held: dict[str, int]
    captions: float

    def share(self, kinds: Sequence[str] = CLAIM_KINDS) -> float:
        """Share of the claims of these kinds that are true."""
        return sum(self.held[kind] for kind in kinds) / max(1, sum(self.made[kind] for kind in kinds))


@dataclass(frozen=True)
class Scores:
    """Scores of a corpus.

    Attributes:
        corpus: by decoder, each metric; every reference counts.
        same_terms: the first decoder and a person, both against all references but that person's.
        truth: by decoder, for scenes; none for photographs.
        of_images: of the first decoder, one line for each picture.
    """

    corpus: dict[str, dict[str, float]]
    same_terms: dict[str, dict[str, float]]
    truth: dict[str, Truth] | None
    of_images: tuple[str, ...]

    def lines(self) -> list[str]:
        """What a reader is told."""
        said = []
        for name, values in self.corpus.items():
            shown = ", ".join(f"{_METRICS[metric]} {value:.3f}" for metric, value in values.items())
            said.append(f"{name}: {shown}")
        if self.same_terms:
            both = ", ".join(f"{name} {v['cider_d']:.2f} and {v['bleu_4']:.3f}" for name, v in self.same_terms.items())
            said.append(f"CIDEr-D and BLEU-4 against one reference fewer: {both}")
        for name, truth in (self.truth or {}).items():
            kinds = ", ".join(
                f"{kind} {100 * truth.held[kind] / made:.1f} % of {made}" for kind, made in truth.made.items() if made
            )
            said.append(
                f"{name}: {100 * truth.share(STATED):.1f} % of the stated colours, shapes, counts and relations are "
                f"true ({kinds}); {100 * truth.captions:.1f} % of the captions are true throughout"
            )
        return said


_METRICS = {
    "bleu_1": "BLEU-1",
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "bleu_4": "BLEU-4",
    "rouge_l": "ROUGE-L",
    "cider_d": "CIDEr-D",
}


def scored(
    said: Mapping[str, Sequence[str]],
    references: Sequence[Sequence[str]],
    tokenize: Callable[[str], list[str]],
    scenes: CaptionedScenes | None = None,
) -> Scores:
    """Scores of what decoders said.

    Args:
        said: by decoder, a caption for each picture; the first is the one that is shown.
        references: what people say of each.
        tokenize: a sentence to its words.
        scenes: what there is to see, if the claims of captions can be judged by it.
    """
    found = {name: evaluate(list(captions), references, tokenize=tokenize) for name, captions in said.items()}
    first = next(iter(said))
    same_terms = {}
    if all(len(captions) > 1 for captions in references):
        others = [captions[:-1] for captions in references]
        people = [captions[-1] for captions in references]
        for name, captions in ((first, said[first]), ("a person", people)):
            same_terms[name] = evaluate(list(captions), others, tokenize=tokenize).corpus._asdict()
    images = found[first].images
    of_images = tuple(
        f"{first}: CIDEr-D {cider:.2f}, BLEU-4 {bleu:.2f}"
        for cider, bleu in zip(images.cider_d, images.bleu_4, strict=True)
    )
    corpus = {name: evaluation.corpus._asdict() for name, evaluation in found.items()}
    return Scores(corpus, same_terms, judged(said, scenes) if scenes else None, of_images)


def judged(said: Mapping[str, Sequence[str]], scenes: CaptionedScenes) -> dict[str, Truth]:
    """Every claim of every caption held against its scene."""
    return {name: _truth(captions, scenes) for name, captions in said.items()}


def _truth(captions: Sequence[str], scenes: CaptionedScenes) -> Truth:
    claims = [judge(caption, scenes.scene(index)) for index, caption in enumerate(captions)]
    made = {kind: sum(c.kind == kind for of_one in claims for c in of_one) for kind in CLAIM_KINDS}
    held = {kind: sum(c.kind == kind and c.true for of_one in claims for c in of_one) for kind in CLAIM_KINDS}
    return Truth(made, held, float(np.mean([all(c.true for c in of_one) for of_one in claims])))
