"""How well captions agree with those that people wrote."""

from jaxvision.metrics.captions.bleu import Bleu, add_one_smoothing, bleu, coco_smoothing
from jaxvision.metrics.captions.checks import Words, check_words
from jaxvision.metrics.captions.cider import CiderD, DocumentFrequency, cider_d, document_frequency
from jaxvision.metrics.captions.clip import clip_score, ref_clip_score
from jaxvision.metrics.captions.diversity import distinct_n, self_cider
from jaxvision.metrics.captions.evaluation import CorpusScores, Evaluation, ImageScores, evaluate
from jaxvision.metrics.captions.rouge import RougeL, rouge_l
from jaxvision.metrics.captions.token_cider import NgramWeights, ngram_weights, token_cider_d
from jaxvision.metrics.captions.tokenizer import ptb_tokenize

__all__ = [
    "Bleu",
    "CiderD",
    "CorpusScores",
    "DocumentFrequency",
    "Evaluation",
    "ImageScores",
    "NgramWeights",
    "RougeL",
    "Words",
    "add_one_smoothing",
    "bleu",
    "check_words",
    "cider_d",
    "clip_score",
    "coco_smoothing",
    "distinct_n",
    "document_frequency",
    "evaluate",
    "ngram_weights",
    "ptb_tokenize",
    "ref_clip_score",
    "rouge_l",
    "self_cider",
    "token_cider_d",
]
