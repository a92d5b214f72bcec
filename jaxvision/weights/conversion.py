"""From PyTorch's files to safetensors, through PyTorch's own restricted reader."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from jaxvision.errors import InputError
from jaxvision.files import sha256
from jaxvision.weights.container import Tensors, save
from jaxvision.weights.manifest import WEIGHTS

SAFE_TORCH = (2, 6)  # before this version the restricted reader itself could be made to run code
REFUSALS = ("unsupported GLOBAL", "Unsupported global", "unrecognized function")  # how that reader says no


def convert(
    path: str | os.PathLike[str], output: str | os.PathLike[str] | None = None, *, overwrite: bool = False
) -> Path:
    """Turn a PyTorch state dict into a safetensors file with the same names and layouts. Needs the extra `convert`.

    Args:
        path: a file written by `torch.save(model.state_dict(), path)`, or such a dict under the key `state_dict`.
        output: the file or folder to write to. By default a file of the manifest, known by its digest, becomes
            `weights/NAME.safetensors` in the home folder, where `load` finds it; any other goes beside its source.
        overwrite: replace an output that is already there.

    Returns:
        The file written. Floats are float32 in it, integers and booleans as they were.

    Raises:
        InputError: if the source is missing, damaged, holds more than tensors (it is not opened then), if the output
            is there or cannot be written, or if PyTorch is not installed.

    Example:
        >>> convert("no_such.pth")
        Traceback (most recent call last):
        jaxvision.errors.InputError: no_such.pth is missing: expected a PyTorch file with a state dict

    References:
        "Deserialization of Untrusted Data in torch.load with weights_only=True", CVE-2025-32434, 2025,
        https://github.com/pytorch/pytorch/security/advisories/GHSA-53q9-r3pm-6pq6.
    """
    path = Path(path)
    _require(path)
    digest = sha256(path)
    known = next((entry for entry in WEIGHTS.values() if entry.file.digest == f"sha256:{digest}"), None)
    default = known.location if known else path.with_suffix(".safetensors")
    target = Path(output) if output is not None else default
    if target.is_dir():
        target = target / default.name
    if target.exists() and not overwrite:
        raise InputError(f"{target} is already there: choose another --output or give --overwrite")
    tensors = read_state_dict(path)
    save(target, tensors, {"format": "pt", "source": known.file.url if known else path.name, "source_sha256": digest})
    return target


def read_state_dict(path: Path) -> Tensors:
    """The tensors of a PyTorch state dict; nothing in the file is run.

    Args:
        path: the file.

    Returns:
        Arrays by name, floats as float32.

    Raises:
        InputError: as `convert`.

    Example:
        >>> read_state_dict(Path("no_such.pth"))
        Traceback (most recent call last):
        jaxvision.errors.InputError: no_such.pth is missing: expected a PyTorch file with a state dict
    """
    _require(path)
    torch = _torch(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the reader meets a damaged file with nearly any exception
        if any(words in str(error) for words in REFUSALS):
            raise InputError(
                f"{path} holds more than tensors, and such a file can run code when opened: it was refused; expected "
                "one written by torch.save(model.state_dict(), FILE)"
            ) from error
        raise InputError(
            f"{path} is no PyTorch state dict, or it is damaged or cut short (nothing in it was run): expected a file "
            "written by torch.save(model.state_dict(), FILE); download it again"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} holds a {type(content).__name__} without tensors: expected a state dict")
    return {str(name): _array(torch, path, name, value) for name, value in content.items()}


def _require(path: Path) -> None:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "missing"
        raise InputError(f"{path} is {what}: expected a PyTorch file with a state dict")


def _array(torch: Any, path: Path, name: object, value: Any) -> np.ndarray:
    if not isinstance(name, str) or not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        raise InputError(
            f"{path} holds {name!r}, a {type(value).__name__}, where a state dict has plain tensors by name: save "
            "model.state_dict() alone"
        )
    value = value.detach()
    if value.is_quantized or value.is_complex():
        raise InputError(f"{path} holds {name!r} of type {value.dtype}: expected plain floats or integers")
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():  # a few bytes that stand for gigabytes
        raise InputError(
            f"{path} holds {name!r} of the shape {tuple(value.shape)} and fewer numbers than that: save "
            "model.state_dict() alone"
        )
    return (value.float() if value.is_floating_point() else value).contiguous().numpy()


def _torch(path: Path) -> Any:
    if find_spec("torch") is None:
        raise InputError(
            f'{path} is a PyTorch file and PyTorch is not installed: run `pip install "jaxvision[convert]"` and then '
            f"`python -m jaxvision.weights convert {path}`, here or on another machine"
        )
    import torch  # noqa: PLC0415  # optional, and seconds to import  # pyright: ignore[reportMissingImports]

    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < SAFE_TORCH:
        raise InputError(
            f"PyTorch {torch.__version__} cannot open {path} safely (CVE-2025-32434): install PyTorch 2.6 or later"
        )
    return torch
