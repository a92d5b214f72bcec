"""The one exception for what a user can mend."""

_LONGEST = 2000  # characters


class InputError(ValueError):
    r"""Bad input, in one sentence: what was wrong, what was expected, how to mend it.

    Commands print the sentence and exit with code 2; anything else that is raised is a bug and shows its traceback.

    A sentence may quote a file that somebody else wrote. So it is one line, in it what a terminal would obey rather
    than show is spelled out, and of a very long one the middle is left out.

    Example:
        >>> raise InputError("cat.txt is not an image: expected JPEG, PNG, GIF, BMP, TIFF or WebP")
        Traceback (most recent call last):
        jaxvision.errors.InputError: cat.txt is not an image: expected JPEG, PNG, GIF, BMP, TIFF or WebP
        >>> str(InputError("the class \x1b[2J is unknown"))
        'the class \\x1b[2J is unknown'
    """

    def __init__(self, sentence: str):
        if len(sentence) > _LONGEST:
            sentence = f"{sentence[: _LONGEST // 2]} ... {sentence[-_LONGEST // 4 :]}"
        if not sentence.isprintable():
            sentence = "".join(_shown(character) for character in sentence)
        super().__init__(sentence)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape", "surrogatepass").decode()
