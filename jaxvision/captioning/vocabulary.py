"""Between words and integers."""

import dataclasses
import functools
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Array, Int, Int32

from jaxvision.errors import InputError
from jaxvision.files import atomic_write, parse_json

NULL, START, END, UNK = range(4)
"""Ids of the words that no caption has: padding, beginning, end, and any word that is not in the vocabulary."""

SPECIAL_WORDS = ("<NULL>", "<START>", "<END>", "<UNK>")

FORMAT = "jaxvision vocabulary 1"


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The words a captioner knows; a word's id is its place.

    Attributes:
        words: all of them, the four special ones first.

    Raises:
        InputError: if the special words are not first, or a word is empty or comes twice.

    Example:
        >>> vocabulary = Vocabulary.build([["a", "cat"], ["a", "dog"], ["a", "cat", "sits"]])
        >>> vocabulary.words[4:]
        ('a', 'cat', 'dog', 'sits')
        >>> vocabulary.encode([["a", "bird"], ["a", "cat"]], max_length=5).tolist()
        [[1, 4, 3, 2, 0], [1, 4, 5, 2, 0]]
        >>> vocabulary.decode(np.array([[1, 4, 5, 2, 0]]))
        ['a cat']
    """

    words: tuple[str, ...]

    def __post_init__(self):
        if self.words[:4] != SPECIAL_WORDS:
            raise InputError(f"a vocabulary begins with {' '.join(SPECIAL_WORDS)}: got {' '.join(self.words[:4])!r}")
        if len(set(self.words)) != len(self.words) or "" in self.words:
            raise InputError("a vocabulary has every word once and no empty word: make the words distinct")

    def __len__(self) -> int:
        return len(self.words)

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        # Without the special words: what a caption says cannot end it.
        return {word: index for index, word in enumerate(self.words) if index > UNK}

    @classmethod
    def build(
        cls, captions: Iterable[Sequence[str]], *, min_count: int = 1, max_size: int | None = None
    ) -> "Vocabulary":
        """The words of captions, the most frequent first, equally frequent ones by alphabet.

        Args:
            captions: the words of each.
            min_count: how often a word must be there.
            max_size: how many words to keep, with the four special ones; by default all.

        Returns:
            The vocabulary.

        Raises:
            InputError: if `max_size` is less than 4, or a caption is a string.

        Example:
            >>> Vocabulary.build([["b", "a", "b"], ["c", "c"]], min_count=2).words[4:]
            ('b', 'c')
        """
        if max_size is not None and max_size < len(SPECIAL_WORDS):
            raise InputError(f"max_size is {max_size}: the special words alone are {len(SPECIAL_WORDS)}, ask for more")
        counts = Counter(word for caption in captions for word in _words(caption))
        known = [word for word, count in counts.items() if count >= min_count and word and word not in SPECIAL_WORDS]
        ordered = (*SPECIAL_WORDS, *sorted(known, key=lambda word: (-counts[word], word)))
        return cls(ordered[:max_size])

    def encode(self, captions: Sequence[Sequence[str]], max_length: int) -> Int32[np.ndarray, "n {max_length}"]:
        """Captions as rows of ids: START, words, END, and NULL up to the length; an unknown word becomes UNK.

        A caption of more than `max_length` - 2 words is cut and has no END: a captioner should not be taught to stop
        there. `n_truncated` counts these.

        Args:
            captions: the words of each; none are allowed.
            max_length: T, at least 3.

        Returns:
            `(N, T)`.

        Raises:
            InputError: if `max_length` is less than 3, or a caption is a string.

        Example:
            >>> Vocabulary.build([["a", "cat"]]).encode([["a", "cat", "a"], []], max_length=4).tolist()
            [[1, 4, 5, 4], [1, 2, 0, 0]]
        """
        if max_length < 3:
            raise InputError(f"max_length is {max_length}: a caption with one word needs 3, with its start and its end")
        ids = np.full((len(captions), max_length), NULL, np.int32)
        for row, caption in zip(ids, captions, strict=True):
            found = [START, *(self._ids.get(word, UNK) for word in _words(caption)), END][:max_length]
            row[: len(found)] = found
        return ids

    @staticmethod
    def n_truncated(captions: Sequence[Sequence[str]], max_length: int) -> int:
        """How many captions `encode` cuts at this length.

        Args:
            captions: the words of each.
            max_length: T.

        Returns:
            Their number.

        Example:
            >>> Vocabulary.n_truncated([["a", "cat"], ["a", "black", "cat"]], max_length=4)
            1
        """
        return sum(len(_words(caption)) > max_length - 2 for caption in captions)

    def decode(self, ids: Int[Array | np.ndarray, "n t"]) -> list[str]:
        """Rows of ids as sentences: up to the first END, without START and NULL.

        Args:
            ids: `(N, T)`.

        Returns:
            One string per row, words separated by spaces; an unknown word reads `<UNK>`.

        Raises:
            InputError: if ids are no table of integers, or one is not in the vocabulary.

        Example:
            >>> Vocabulary.build([["a", "cat"]]).decode(np.array([[4, 5, 2, 4], [1, 4, 3, 0]]))
            ['a cat', 'a <UNK>']
        """
        ids = np.asarray(ids)
        if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
            raise InputError(
                f"ids must be integers (N, T), got {ids.dtype} of shape {ids.shape}: give one caption as ids[None], a "
                "beam's as tokens[:, 0]"
            )
        if ids.size and not 0 <= ids.min() <= ids.max() < len(self):
            raise InputError(
                f"ids run from {ids.min()} to {ids.max()}, and the vocabulary has {len(self)} words: decode with the "
                "vocabulary that the captioner was trained with"
            )
        return [self._sentence(row) for row in ids.tolist()]

    def _sentence(self, row: list[int]) -> str:
        end = row.index(END) if END in row else len(row)
        return " ".join(self.words[i] for i in row[:end] if i not in (NULL, START))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the words as JSON, whole or not at all.

        Args:
            path: the file.

        Raises:
            InputError: if it cannot be written.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Vocabulary.build([["a", "cat"]]).save(Path(folder) / "vocabulary.json")
            ...     len(Vocabulary.load(Path(folder) / "vocabulary.json"))
            6
        """
        with atomic_write(path, text=True) as stream:
            json.dump({"format": FORMAT, "words": self.words}, stream, ensure_ascii=False, indent=0)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Vocabulary":
        """Read what `save` wrote.

        Args:
            path: the file.

        Returns:
            The vocabulary, equal to the saved one.

        Raises:
            InputError: if the file cannot be read, is damaged, or is something else.

        Example:
            >>> Vocabulary.load("missing.json")
            Traceback (most recent call last):
            jaxvision.errors.InputError: missing.json cannot be read: No such file or directory
        """
        content = _json(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"{path} is not a vocabulary: expected JSON with the format {FORMAT!r}, as save writes it")
        return cls._checked(path, content.get("words"))

    @classmethod
    def from_cs231n(cls, path: str | os.PathLike[str]) -> "Vocabulary":
        """Read the vocabulary of the course's captions, `coco2014_vocab.json`.

        Args:
            path: the file, with `idx_to_word` (a list) and `word_to_idx` (the inverse).

        Returns:
            The vocabulary with the course's ids.

        Raises:
            InputError: if the file cannot be read, is damaged, or is something else.

        Example:
            >>> import tempfile
            >>> words = [*SPECIAL_WORDS, "a"]
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = Path(folder) / "coco2014_vocab.json"
            ...     inverse = {word: index for index, word in enumerate(words)}
            ...     _ = path.write_text(json.dumps({"idx_to_word": words, "word_to_idx": inverse}))
            ...     Vocabulary.from_cs231n(path).words[4:]
            ('a',)

        References:
            Stanford CS231n, Spring 2017, assignment 3, `coco_captioning`.
        """
        content = _json(path)
        words = content.get("idx_to_word") if isinstance(content, dict) else None
        if not isinstance(words, list):
            raise InputError(f"{path} is not the course's vocabulary: expected JSON with idx_to_word and word_to_idx")
        vocabulary = cls._checked(path, words)
        if content.get("word_to_idx") != {word: index for index, word in enumerate(words)}:
            raise InputError(f"{path} is damaged: word_to_idx is not the inverse of idx_to_word; get the file anew")
        return vocabulary

    @classmethod
    def _checked(cls, path: str | os.PathLike[str], words: Any) -> "Vocabulary":
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InputError(f"{path} is damaged: expected a list of words; make the file anew")
        try:
            return cls(tuple(words))
        except InputError as error:
            raise InputError(f"{path} cannot be used: {error}") from error


def _words(caption: Sequence[str]) -> Sequence[str]:
    if isinstance(caption, str):
        raise InputError(f"the caption {caption!r} is a string: split it into words first, for example by ptb_tokenize")
    return caption


def _json(path: str | os.PathLike[str]) -> Any:
    try:
        return parse_json(Path(path).read_bytes(), f"{path}", "expected a vocabulary; make or get the file anew")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
