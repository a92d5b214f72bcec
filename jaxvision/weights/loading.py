"""Weights by name or by file."""

import difflib
import errno
import os
from importlib.util import find_spec
from pathlib import Path

from jaxvision.errors import InputError
from jaxvision.files import fetch, home, offline, verify
from jaxvision.weights.container import Tensors, read
from jaxvision.weights.conversion import convert, read_state_dict
from jaxvision.weights.manifest import WEIGHTS, PublishedWeights


def load(name_or_file: str | os.PathLike[str]) -> Tensors:
    """Pretrained parameters, by the network's name or from a safetensors file.

    A name means `weights/NAME.safetensors` in the home folder. Where that is missing, the published file is taken
    from the home folder or downloaded, checked against the manifest, and converted once, which needs PyTorch.

    Args:
        name_or_file: a name of the manifest (`squeezenet1_1`, `vgg16`, `vgg19`, `inception_v3_fid`) or the path of a
            safetensors file. A `Path` is always a file.

    Returns:
        Arrays by torchvision's parameter names: convolution kernels (out, in, h, w), matrices (out, in), floats
        float32 or wider.

    Raises:
        InputError: if there is no such name or file, or it is damaged, a pickle, or cannot be had.

    Example:
        >>> load("squeezenet")
        Traceback (most recent call last):
        jaxvision.errors.InputError: no weights or file 'squeezenet' (did you mean squeezenet1_1?): expected a
        safetensors file or one of inception_v3_fid, squeezenet1_1, vgg16, vgg19

    References:
        Iandola et al., "SqueezeNet", https://arxiv.org/abs/1602.07360, 2016.
        Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
        https://arxiv.org/abs/1409.1556, 2014.
    """
    if isinstance(name_or_file, str) and name_or_file in WEIGHTS:
        return _published(WEIGHTS[name_or_file])
    if isinstance(name_or_file, str) and not Path(name_or_file).exists() and Path(name_or_file).suffix == "":
        raise InputError(_unknown(name_or_file))
    return read(name_or_file)


def _published(entry: PublishedWeights) -> Tensors:
    if entry.location.exists():
        return read(entry.location)
    _check_reachable(entry)
    file = fetch(entry.file)
    verify(entry.file, file)  # the user's own copy too: a pickle is opened only if it is the published one
    try:
        return read(convert(file, entry.location, overwrite=True))
    except InputError as error:
        if getattr(error.__cause__, "errno", None) not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        return read_state_dict(file)  # a read-only home is no obstacle: it is only converted again next time


def _check_reachable(entry: PublishedWeights) -> None:
    """Say what is missing before half a gigabyte is downloaded in vain."""
    here = entry.file.location.exists()
    if not here and offline():
        raise InputError(
            f"neither {entry.location} nor {entry.file.path} is there and JAXVISION_OFFLINE forbids downloading "
            f"{entry.file.url}: unset JAXVISION_OFFLINE, or point JAXVISION_HOME at a folder that has either"
        )
    if find_spec("torch") is None:
        source = entry.file.location if here else f"{entry.file.url} after downloading it"
        raise InputError(
            f'{entry.location} is missing and making it takes PyTorch once: run `pip install "jaxvision[convert]"` '
            f"and try again, or on another machine `python -m jaxvision.weights convert` {source}, and copy the result "
            f"to {home() / 'weights'}"
        )


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, WEIGHTS, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]}?)" if near else ""
    known = ", ".join(sorted(WEIGHTS))
    return f"no weights or file {name!r}{hint}: expected a safetensors file or one of {known}"
