"""The one exception for what a user can mend."""


class InputError(ValueError):
    """Bad input, in one sentence: what was wrong, what was expected, how to mend it.

    Commands print the sentence and exit with code 2; anything else that is raised is a bug and shows its traceback.

    Example:
        >>> raise InputError("cat.txt is not an image: expected JPEG, PNG, GIF, BMP, TIFF or WebP")
        Traceback (most recent call last):
        jaxvision.errors.InputError: cat.txt is not an image: expected JPEG, PNG, GIF, BMP, TIFF or WebP
    """
