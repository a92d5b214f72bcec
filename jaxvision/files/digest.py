"""Digests of files."""

import hashlib
import os
from pathlib import Path


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, read in pieces.

    Args:
        path: the file.

    Returns:
        64 lower-case hexadecimal digits.

    Raises:
        OSError: if the file cannot be read.

    Example:
        >>> sha256(os.devnull)[:16]
        'e3b0c44298fc1c14'

    References:
        National Institute of Standards and Technology, "Secure Hash Standard", FIPS 180-4, 2015,
        https://doi.org/10.6028/NIST.FIPS.180-4, section 6.2.
    """
    return digest(path, "sha256").removeprefix("sha256:")


def digest(path: str | os.PathLike[str], algorithm: str) -> str:
    """The digest of a file as the manifest writes it.

    Args:
        path: the file.
        algorithm: `sha256`, or `md5` for the publishers who give nothing better (it guards against accidents only).

    Returns:
        `ALGORITHM:HEX`.

    Raises:
        OSError: if the file cannot be read.

    Example:
        >>> digest(os.devnull, "md5")
        'md5:d41d8cd98f00b204e9800998ecf8427e'
    """
    with Path(path).open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return f"{algorithm}:{found.hexdigest()}"
