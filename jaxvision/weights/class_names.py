"""What the 1000 outputs of an ImageNet network mean."""

from pathlib import Path
from typing import Any

from jaxvision.errors import InputError
from jaxvision.files import fetch, home, parse_json
from jaxvision.weights.manifest import CLASS_NAMES


def imagenet_class_names() -> tuple[str, ...]:
    """The names of the 1000 ImageNet-1K classes, in the order of a network's outputs.

    From `imagenet/class_names.json` in the home folder (a list of 1000 names) if it is there, else from the class
    index that Keras publishes, which is downloaded once.

    Returns:
        1000 names; synonyms may follow after commas. Two classes are called crane, a bird and a machine.

    Raises:
        InputError: if neither file is there and none can be downloaded, or its content is of another form.

    Example:
        >>> import json, os, tempfile
        >>> from unittest import mock
        >>> with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, JAXVISION_HOME=folder):
        ...     (Path(folder) / "imagenet").mkdir()
        ...     names = json.dumps([f"class {i}" for i in range(1000)])
        ...     _ = (Path(folder) / "imagenet" / "class_names.json").write_text(names)
        ...     imagenet_class_names()[999]
        'class 999'

    References:
        Russakovsky et al., "ImageNet large scale visual recognition challenge", https://arxiv.org/abs/1409.0575, 2015.
    """
    own = home() / "imagenet" / "class_names.json"
    if own.exists():
        names = _json(own)
        if not isinstance(names, list) or len(names) != 1000 or not all(isinstance(name, str) for name in names):
            raise InputError(f"{own} is not a list of 1000 names: mend it, or remove it to have the names downloaded")
        return tuple(names)
    path = fetch(CLASS_NAMES)
    index = _json(path)  # {"0": ["n01440764", "tench"], ...}
    try:
        return tuple(index[str(i)][1].replace("_", " ") for i in range(1000))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not the published class index: move it away to have it downloaded again"
        ) from error


def _json(path: Path) -> Any:
    try:
        return parse_json(path.read_bytes(), f"{path}", "move it away to have it downloaded again")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
