"""Features of captioned images, computed once and kept in an array_record file."""

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import json
import math
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from jaxvision.data.captions.extra import extra
from jaxvision.data.captions.record import CaptionedImages
from jaxvision.data.images import resize_image
from jaxvision.errors import InputError
from jaxvision.files import exclusive, home, notice, parse_json, sha256, writing_error

_FORMAT = "jaxvision features 1"
_MAX_RATIO = 1000  # bytes of features for each of the file, which array_record presses


@dataclasses.dataclass(frozen=True)
class CachedFeatures:
    """Features by number, read from the disk when asked for; `load` reads all of them.

    Attributes:
        indices: `(n,)` the number in the source of the picture that each row is of.
        names: `(n,)` its name.
        skipped: names of the pictures that could not be decoded, and why.
        shape: of one picture's features.
        path: the folder of the cache.
        computed: whether this call computed them, rather than found them.
    """

    indices: tuple[int, ...]
    names: tuple[str, ...]
    skipped: dict[str, str]
    shape: tuple[int, ...]
    path: Path
    computed: bool

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: SupportsIndex) -> Float32[np.ndarray, "..."]:
        (data,) = self._records([range(len(self))[row]])
        return self._array(data)

    def __iter__(self) -> Iterator[Float32[np.ndarray, "..."]]:
        return (self[i] for i in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_reader"}  # open files stay here

    def load(self) -> Float32[np.ndarray, "n ..."]:
        """All of them in memory, `(n, *shape)`; InputError if the file is damaged."""
        found = np.empty((len(self), *self.shape), np.float32)
        for start in range(0, len(self), 1024):
            rows = range(start, min(start + 1024, len(self)))
            found[start : rows.stop] = [self._array(data) for data in self._records(rows)]
        return found

    def _records(self, rows: Sequence[int]) -> Sequence[bytes]:
        try:
            return self._reader.__getitems__(rows)
        except (OSError, RuntimeError, ValueError, IndexError) as error:  # what array_record says of damaged files
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> InputError:
        return InputError(
            f"the cached features in {self.path} are damaged ({why}): remove the folder to have them computed again"
        )

    def _array(self, data: bytes) -> Float32[np.ndarray, "..."]:
        if len(data) != 4 * math.prod(self.shape):
            raise self._damaged(f"a record of {len(data)} bytes for the shape {self.shape}")
        return np.frombuffer(data, "<f4").reshape(self.shape)

    @functools.cached_property
    def _reader(self) -> Any:
        from array_record.python import array_record_data_source  # noqa: PLC0415 - an extra

        return array_record_data_source.ArrayRecordDataSource([str(self.path / "features.array_record")])


def cached_features(
    images: CaptionedImages,
    features_fn: Callable[[Float32[np.ndarray, "batch size size 3"]], Float[Array, "batch ..."]],
    weights: Any,
    *,
    preprocessing: str,
    size: int = 224,
    batch_size: int = 32,
    threads: int = 8,
) -> CachedFeatures:
    """What a network makes of each picture: computed once, then read from the home folder.

    The cache is kept in `features` in the home folder under the SHA-256 of all that the numbers depend on: the weights,
    `preprocessing`, `size`, and which pictures these are (`images.identity`). It is written beside its place and
    renamed when whole. Threads decode the next batch while the network is at work on this one. A picture that cannot be
    decoded is left out, counted and named; nothing else is lost.

    Args:
        images: where the pictures come from.
        features_fn: takes `(batch_size, size, size, 3)` RGB in [0, 1], always of that shape, and returns
            `(batch_size, ...)`; it normalises the images itself. Compile it (`jax.jit`, the weights as an argument).
        weights: the arrays that it computes with; they only tell one network from another.
        preprocessing: in words, what `features_fn` does besides: which layer, which normalisation, pooling.
        size: side of the square images in pixels (short side resized, centre crop).
        batch_size: pictures for one call; the last batch is filled up with zeros.
        threads: how many pictures are decoded at a time.

    Returns:
        Features in float32, in the order of the source.

    Raises:
        InputError: if no picture can be decoded, `features_fn` returns another number of rows or numbers that are not
            finite, the cache is damaged or cannot be written, or the extra is not installed.

    Example:
        >>> import os, tempfile
        >>> from unittest import mock
        >>> from jaxvision.data.captions import captioned_scenes
        >>> scenes, weights = captioned_scenes("train", 3, size=16, batch_size=4), np.float32(2)
        >>> with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, JAXVISION_HOME=folder):
        ...     brightness = lambda x: weights * x.mean((1, 2))
        ...     cached = cached_features(scenes, brightness, weights, preprocessing="mean", size=16, batch_size=2)
        ...     cached.load().shape, cached.skipped
        ((3, 3), {})
    """
    if not preprocessing.strip() or min(size, batch_size, threads) < 1:
        raise InputError(
            f"cannot cache features of preprocessing {preprocessing!r}, size {size}, batch size {batch_size}, "
            f"{threads} threads: say in words how the images are prepared, and choose positive numbers"
        )
    key = {
        "format": _FORMAT,
        "weights": weights_digest(weights),
        "preprocessing": preprocessing,
        "size": size,
        "images": images.identity,
    }
    path = home() / "features" / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
    skipped: dict[str, str] = {}
    rows = _rows(features_fn, _batches(images, size, batch_size, threads, skipped))  # nothing is computed yet
    computed = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(path, waiting=lambda: notice(f"Waiting for another process to compute {path}")):
            if not path.exists():
                _write(path, key, images.names, rows, skipped)
                computed = True
    except OSError as error:
        raise writing_error(path, error) from error
    return _open(path, computed)


def weights_digest(weights: Any) -> str:
    """The SHA-256 of all arrays of a model, with their names, shapes and types.

    Args:
        weights: any pytree of arrays, say an `nnx.Module`.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> weights_digest({"w": np.zeros(2)}) == weights_digest({"w": np.ones(2)})
        False
    """
    found = hashlib.sha256()
    for where, leaf in jax.tree_util.tree_leaves_with_path(weights):
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.ascontiguousarray(leaf)
        found.update(f"{jax.tree_util.keystr(where)} {array.dtype} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _batches(
    images: CaptionedImages, size: int, batch_size: int, threads: int, skipped: dict[str, str]
) -> Iterator[tuple[list[int], Float32[np.ndarray, "batch size size 3"]]]:
    """Full batches of decoded pictures with their numbers; those that cannot be decoded go to `skipped`."""

    def decoded(index: int) -> tuple[int, Any]:
        try:
            return index, resize_image(images[index].image, size)
        except InputError as error:
            return index, str(error)

    numbers: list[int] = []
    batch = np.zeros((batch_size, size, size, 3), np.float32)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for index, found in _ahead(pool, decoded, range(len(images)), 2 * batch_size):
            if isinstance(found, str):
                skipped[str(images.names[index])] = found
                continue
            batch[len(numbers)] = found.astype(np.float32) / np.float32(255)
            numbers.append(index)
            if len(numbers) == batch_size:
                yield numbers, batch
                numbers, batch = [], np.zeros_like(batch)
    if numbers:
        yield numbers, batch


def _ahead(
    pool: concurrent.futures.Executor, call: Callable[[int], Any], items: Sequence[int], depth: int
) -> Iterator[Any]:
    """`map` that is at most `depth` items ahead, so that results do not pile up in memory."""
    waiting = [pool.submit(call, item) for item in items[:depth]]
    for item in items[depth:]:
        yield waiting.pop(0).result()
        waiting.append(pool.submit(call, item))
    for future in waiting:
        yield future.result()


def _rows(
    features_fn: Callable[..., Any], batches: Iterator[tuple[list[int], Float32[np.ndarray, "batch size size 3"]]]
) -> Iterator[tuple[list[int], Float32[np.ndarray, "n ..."]]]:
    """Each batch's features with the numbers of its pictures, without what fills up the last batch."""
    for numbers, batch in batches:
        rows = np.asarray(features_fn(batch), dtype="<f4")
        if rows.ndim < 1 or len(rows) != len(batch):
            raise InputError(f"features_fn made {rows.shape} of {len(batch)} images: expected one row for each image")
        if not np.isfinite(rows).all():
            raise InputError("features_fn returned numbers that are not finite: check its weights and normalisation")
        yield numbers, rows[: len(numbers)]


def _write(
    path: Path,
    key: dict[str, Any],
    names: Sequence[str],
    rows: Iterator[tuple[list[int], Float32[np.ndarray, "n ..."]]],
    skipped: dict[str, str],
) -> None:
    """Writes features as they are computed, beside their place; `skipped` fills up on the way."""
    with extra("features are kept in array_record files, which"):
        from array_record.python.array_record_module import ArrayRecordWriter  # noqa: PLC0415 - an extra
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    beside.mkdir()
    file = beside / "features.array_record"
    indices: list[int] = []
    shape: tuple[int, ...] = ()
    try:
        # Groups of one: a picture is read without its neighbours.
        with contextlib.closing(ArrayRecordWriter(str(file), "group_size:1")) as writer:
            for numbers, features in rows:
                shape = features.shape[1:]
                indices += numbers
                for row in features:
                    writer.write(row.tobytes())
        if not indices:
            raise InputError(f"none of the {len(names):,} pictures can be decoded: {next(iter(skipped.values()), '')}")
        about = {
            **key,
            "shape": shape,
            "sha256": sha256(file),
            "skipped": skipped,
            "indices": indices,
            "names": [names[i] for i in indices],
        }
        (beside / "about.json").write_text(json.dumps(about), encoding="utf-8")
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    if skipped:
        notice(f"{len(skipped):,} of {len(names):,} pictures were left out: {'; '.join(skipped.values())}")


def _open(path: Path, computed: bool) -> CachedFeatures:
    try:
        about = parse_json((path / "about.json").read_bytes(), f"{path / 'about.json'}", "remove the folder")
        if about["sha256"] != sha256(path / "features.array_record"):
            raise ValueError("the SHA-256 is another")
        indices, names, shape = (tuple(about[name]) for name in ("indices", "names", "shape"))
        found = CachedFeatures(indices, names, dict(about["skipped"]), shape, path, computed)
        bytes_there = (path / "features.array_record").stat().st_size
        plain = all(type(n) is int and n >= 0 for n in (*indices, *shape)) and {*map(type, names)} <= {str}
        if not plain or len(indices) != len(names) or 4 * len(names) * math.prod(shape) > _MAX_RATIO * bytes_there:
            raise ValueError("names and numbers do not belong together, or state more than the file can hold")
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"the cached features in {path} are damaged: remove the folder to have them computed again"
        ) from error
