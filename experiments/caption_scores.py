"""How good captions are: against what people say, against what people reach, and, for scenes, against the truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jaxvision.data.captions import CaptionedScenes
from jaxvision.data.scenes import CLAIM_KINDS, judge
from jaxvision.metrics.captions import distinct_n, document_frequency, evaluate, self_cider

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
class Diversity:
    """How different the captions of one picture are, on average over pictures.

    Attributes:
        captions: of each picture.
        distinct_1: different words over all words.
        distinct_2: different pairs of words over all words.
        self_cider: see `jaxvision.metrics.captions.self_cider`; n-grams weigh what they do among the references.
    """

    captions: int
    distinct_1: float
    distinct_2: float
    self_cider: float

    def line(self) -> str:
        """What a reader is told."""
        return (
            f"of {self.captions} captions a picture, distinct-1 {self.distinct_1:.3f}, "
            f"distinct-2 {self.distinct_2:.3f}, self-CIDEr {self.self_cider:.3f}"
        )


@dataclass(frozen=True)
class Scores:
    """Scores of a corpus.

    Attributes:
        corpus: by decoder, each metric; every reference counts.
        same_terms: the first decoder and a person, both against all references but that person's.
        truth: by decoder, for scenes; none for photographs.
        of_images: of the first decoder, one line for each picture.
        diversity: of decoders that said several captions of each picture, and of as many by people; empty where none
            did.
    """

    corpus: dict[str, dict[str, float]]
    same_terms: dict[str, dict[str, float]]
    truth: dict[str, Truth] | None
    of_images: tuple[str, ...]
    diversity: dict[str, Diversity] = field(default_factory=dict[str, Diversity])

    def lines(self) -> list[str]:
        """What a reader is told."""
        said = []
        for name, values in self.corpus.items():
            shown = ", ".join(f"{_METRICS[metric]} {value:.3f}" for metric, value in values.items())
            said.append(f"{name}: {shown}")
        if self.same_terms:
            both = ", ".join(f"{name} {v['cider_d']:.2f} and {v['bleu_4']:.3f}" for name, v in self.same_terms.items())
            said.append(f"CIDEr-D and BLEU-4 against one reference fewer: {both}")
        said += [f"{name}: {diversity.line()}" for name, diversity in self.diversity.items()]
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
    truth = judged(said, scenes) if scenes else None
    return Scores(corpus, same_terms, truth, of_images, diversities(said, references, tokenize))


def diversities(
    said: Mapping[str, Sequence[str]], references: Sequence[Sequence[str]], tokenize: Callable[[str], list[str]]
) -> dict[str, Diversity]:
    """How different the captions are that one decoder says of one picture.

    Args:
        said: a caption for each picture; "beam 2" is a second one of "beam".
        references: what people say of each.
        tokenize: a sentence to its words.

    Returns:
        Of each decoder that said two or more; then of people, the first so many captions of each picture, where there
        are enough.

    Example:
        >>> said = {"beam": ["a cat", "dogs"], "beam 2": ["a cat", "two dogs"], "greedy": ["a cat", "dogs"]}
        >>> found = diversities(said, [["a cat", "one cat"], ["two dogs", "dogs"]], str.split)
        >>> {name: round(diversity.distinct_1, 2) for name, diversity in found.items()}
        {'beam': 0.58, 'people, as many as beam': 0.71}
    """
    by_decoder: dict[str, list[Sequence[str]]] = {}
    for name, captions in said.items():
        by_decoder.setdefault(name.split(" ")[0], []).append(captions)
    frequency = document_frequency([[tokenize(caption) for caption in of_image] for of_image in references])
    found: dict[str, Diversity] = {}
    for name, several in by_decoder.items():
        groups = {name: list(zip(*several, strict=True))}
        if all(len(of_image) >= len(several) for of_image in references):
            groups[f"people, as many as {name}"] = [tuple(of_image[: len(several)]) for of_image in references]
        for who, captions in groups.items() if len(several) > 1 else ():
            words = [[tokenize(caption) for caption in of_image] for of_image in captions]
            found[who] = Diversity(
                len(several),
                distinct_1=float(distinct_n(words, 1).mean()),
                distinct_2=float(distinct_n(words, 2).mean()),
                self_cider=float(self_cider(words, frequency).mean()),
            )
    return found


def judged(said: Mapping[str, Sequence[str]], scenes: CaptionedScenes) -> dict[str, Truth]:
    """Every claim of every caption held against its scene."""
    return {name: _truth(captions, scenes) for name, captions in said.items()}


def _truth(captions: Sequence[str], scenes: CaptionedScenes) -> Truth:
    claims = [judge(caption, scenes.scene(index)) for index, caption in enumerate(captions)]
    made = {kind: sum(c.kind == kind for of_one in claims for c in of_one) for kind in CLAIM_KINDS}
    held = {kind: sum(c.kind == kind and c.true for of_one in claims for c in of_one) for kind in CLAIM_KINDS}
    return Truth(made, held, float(np.mean([all(c.true for c in of_one) for of_one in claims])))
