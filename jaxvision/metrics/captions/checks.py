"""What every caption metric asks of its input."""

from collections.abc import Sequence

from jaxvision.errors import InputError

Words = Sequence[str]
"""The words of one caption, in order."""


def check_words(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> None:
    """Refuse what would give a number without a meaning.

    A caption without words is allowed, since captioners do write them; an image without references is not.

    Args:
        candidates: the words of one caption per image.
        references: the words of one or more captions per image, in the same order.

    Raises:
        InputError: if there are no images, the two do not match, an image has no reference, or a caption is a string.

    Example:
        >>> check_words([["a", "cat"]], [[["a", "cat"], ["cats"]]])
    """
    if len(candidates) != len(references):
        raise InputError(
            f"there are {len(candidates)} candidates and references for {len(references)} images: give one candidate "
            "per image, in the same order"
        )
    if not candidates:
        raise InputError("there are no captions to score: give at least one candidate and its references")
    for index, (candidate, captions) in enumerate(zip(candidates, references, strict=True)):
        if not isinstance(captions, str) and not captions:
            raise InputError(f"image {index} has no references: give it at least one, or leave it out of both")
        if isinstance(captions, str) or any(isinstance(words, str) for words in (candidate, *captions)):
            raise InputError(
                f"image {index} has a caption that is a string where a list of words was expected: split it first, "
                "for example with ptb_tokenize, or hand strings to evaluate"
            )
