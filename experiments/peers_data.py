"""What others run for scenes and pictures: a renderer in NumPy, the same in PyTorch for many scenes, a DataLoader."""

from collections.abc import Callable, Mapping, Sequence
from math import acos, cos, pi, sin, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

Fields = Mapping[str, np.ndarray]
"""A batch of scenes: a `Scene`'s fields by name."""
DARK = 0.5
ANGLE = pi / 5  # between a star's tip and its notch
LENS = {"bite": 0.86, "at": 0.44}  # the crescent's: radius and offset of the disc that is cut away


def rendered(scenes: Fields, size: int) -> np.ndarray:
    """In NumPy, scene after scene, and of each only the objects, shapes and textures that are in it."""
    at = ((np.arange(size) + 0.5) / size).astype(np.float32)
    images = np.empty((len(scenes["shape"]), size, size, 3), np.float32)
    for i, image in enumerate(images):
        scene = {name: values[i] for name, values in scenes.items()}
        second = _background(np, scene, at)
        ground = scene["background_colors"]
        image[:] = ground[0] + (ground[1] - ground[0]) * second[..., None]
        for k in range(scene["n_objects"]):
            parts = (scene[name][k] for name in ("center", "scale", "rotation", "texture_phase"))
            shape, texture = int(scene["shape"][k]), int(scene["texture"][k])
            cover, shade = _object(np, shape, texture, _local(np, at, *parts), scene["scale"][k], size)
            image += cover[..., None] * (shade[..., None] * scene["tint"][k] - image)
    return np.clip(images, 0, 1, out=images)


def rendered_in_torch(scenes: Fields, size: int) -> Callable[[], np.ndarray]:
    """In PyTorch: all scenes at once, each layer of objects by its shape and texture."""
    tensors = {name: torch.from_numpy(np.array(values)) for name, values in scenes.items()}
    ground = tensors["background_colors"][:, :, None, None]
    at = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    # Which scenes have which: known beforehand, and no part of the time.
    kinds = [[_members(scenes, layer, s, t) for s in range(8) for t in range(4)] for layer in range(4)]
    backgrounds = [torch.from_numpy(np.flatnonzero(scenes["background"] == k)) for k in range(4)]

    def call() -> np.ndarray:
        second = torch.zeros(len(ground), size, size)
        for k, members in enumerate(backgrounds):
            if len(members):
                second[members] = _background_kind(torch, k, _taken(tensors, members), at)
        images = ground[:, 0] + (ground[:, 1] - ground[:, 0]) * second[..., None]
        for layer, groups in enumerate(kinds):
            for kind, members in enumerate(groups):
                if not len(members):
                    continue
                chosen = {name: tensors[name][members, layer] for name in ("center", "scale", "rotation", "tint")}
                scale = chosen["scale"][:, None, None]
                phase = tensors["texture_phase"][members, layer].T[..., None, None]
                centre, rotation = chosen["center"].T[..., None, None], chosen["rotation"][:, None, None]
                local = _local(torch, at, centre, scale, rotation, phase)
                cover, shade = _object(torch, kind // 4, kind % 4, local, scale, size)
                below = images[members]
                tint = chosen["tint"][:, None, None]
                images[members] = below + cover[..., None] * (shade[..., None] * tint - below)
        return images.clip(0, 1).numpy()

    return call


def _members(scenes: Fields, layer: int, shape: int, texture: int) -> torch.Tensor:
    there = (scenes["shape"][:, layer] == shape) & (scenes["texture"][:, layer] == texture)
    return torch.from_numpy(np.flatnonzero(there & (layer < scenes["n_objects"])))


def _taken(tensors: Mapping[str, torch.Tensor], members: torch.Tensor) -> dict[str, torch.Tensor]:
    """The backgrounds of some scenes, their numbers laid out to be broadcast over pixels."""
    numbers = {name: tensors[name][members][:, None, None] for name in ("background_angle", "background_phase")}
    return numbers | {"background_noise": tensors["background_noise"][members]}


def _local(xp: Any, at: Any, center: Any, scale: Any, rotation: Any, phase: Any) -> tuple[Any, ...]:
    """Coordinates in units of the object's scale, and the phase and period of its texture."""
    dx, dy = at[None, :] - center[0], center[1] - at[:, None]
    c, s = xp.cos(rotation) / scale, xp.sin(rotation) / scale
    u, v = c * dx + s * dy, c * dy - s * dx
    period = 0.085 / scale + 0.2
    return u, v, phase, period


def _object(xp: Any, shape: int, texture: int, local: tuple[Any, ...], scale: Any, size: int) -> tuple[Any, Any]:
    """Coverage by the object, and what its texture leaves of the colour."""
    u, v, phase, period = local
    cover = xp.clip(0.5 - SHAPES[shape](xp, u, v) * scale * size, 0, 1)
    if texture == 0:
        return cover, xp.ones_like(cover)
    sharp = period * scale * size
    p, q = u / period + phase[0], v / period + phase[1]
    if texture == 2:
        from_dot = xp.sqrt((p - xp.floor(p) - 0.5) ** 2 + (q - xp.floor(q) - 0.5) ** 2) - 0.3
        return cover, 1 - (1 - DARK) * xp.clip(0.5 - sharp * from_dot, 0, 1)
    stripes = xp.clip(0.5 + sharp * _wave(xp, p), 0, 1)
    if texture == 3:
        across = xp.clip(0.5 + sharp * _wave(xp, q), 0, 1)
        stripes = stripes + across - 2 * stripes * across
    return cover, 1 - (1 - DARK) * stripes


def _background(xp: Any, scene: Mapping[str, Any], at: Any) -> Any:
    return _background_kind(xp, int(scene["background"]), scene, at)


def _background_kind(xp: Any, kind: int, scene: Mapping[str, Any], at: Any) -> Any:
    """Share of the second colour: plain, shaded, cloudy, striped."""
    if kind == 0:
        return xp.zeros_like(at[:, None] + at)
    middle = at - 0.5
    if kind == 2:
        noise = scene["background_noise"]
        cells = noise.shape[-1]
        places = xp.linspace(0, cells - 1, cells, dtype=at.dtype)
        tent = xp.clip(1 - xp.abs(at[:, None] * (cells - 1) - places), 0, 1)
        weights = tent * tent * (3 - 2 * tent)
        return weights @ noise @ weights.T
    angle = scene["background_angle"]
    along = xp.cos(angle) * middle[None, :] + xp.sin(angle) * middle[:, None]
    if kind == 1:
        return 0.5 + along * 0.7
    stripes = xp.clip(0.5 + 2.4 * _wave(xp, along * 5 + scene["background_phase"]), 0, 1)
    return stripes * stripes * (3 - 2 * stripes)


def _wave(xp: Any, position: Any) -> Any:
    return xp.abs(position - xp.floor(position) - 0.5) - 0.25


def _circle(xp: Any, u: Any, v: Any) -> Any:
    return xp.sqrt(u * u + v * v) - 1


def _square(xp: Any, u: Any, v: Any) -> Any:
    return xp.maximum(xp.abs(u), xp.abs(v)) - sqrt(pi) / 2


def _triangle(xp: Any, u: Any, v: Any) -> Any:
    return xp.maximum(-v, 0.5 * v + sqrt(0.75) * xp.abs(u)) - sqrt(pi / (3 * sqrt(3)))


def _star(xp: Any, u: Any, v: Any) -> Any:
    inner = 0.46
    outer = sqrt(pi / (5 * inner * sin(ANGLE)))
    x, y = xp.abs(u), v
    for sign in (1, -1):
        over = xp.clip(sign * cos(ANGLE) * x - sin(ANGLE) * y, 0, None)
        x, y = x - 2 * sign * cos(ANGLE) * over, y + 2 * sin(ANGLE) * over
    side = inner * sin(ANGLE), inner * cos(ANGLE) - 1
    return (side[0] * (y - outer) - side[1] * xp.abs(x)) / sqrt(side[0] ** 2 + side[1] ** 2)


def _cross(xp: Any, u: Any, v: Any) -> Any:
    share = 0.36
    length = sqrt(pi / (8 * share - 4 * share**2))
    x, y = xp.abs(u), xp.abs(v)
    return xp.minimum(xp.maximum(x - length, y - share * length), xp.maximum(y - length, x - share * length))


def _heart(xp: Any, u: Any, v: Any) -> Any:
    half = sqrt(pi / (2 + pi / 2))
    x, y = xp.abs(u), v + 0.1 * half
    lobe = xp.sqrt((x - half / 2) ** 2 + (y - half / 2) ** 2) - half * sqrt(0.5)
    return xp.minimum((x + xp.abs(y) - half) * sqrt(0.5), lobe)


def _ring(xp: Any, u: Any, v: Any) -> Any:
    inner = 0.56
    outer = 1 / sqrt(1 - inner**2)
    return xp.abs(xp.sqrt(u * u + v * v) - outer * (1 + inner) / 2) - outer * (1 - inner) / 2


def _crescent(xp: Any, u: Any, v: Any) -> Any:
    bite, at = LENS["bite"], LENS["at"]
    x = (at * at + 1 - bite * bite) / (2 * at)  # where the outlines of the two discs meet
    y = at - x
    lens = acos(x) - x * sqrt(1 - x * x) + bite * bite * acos(y / bite) - y * sqrt(bite * bite - y * y)
    outer = sqrt(pi / (pi - lens))
    moved = u - 0.21 * outer
    cut = xp.sqrt((moved - at * outer) ** 2 + v * v)
    return xp.maximum(xp.sqrt(moved * moved + v * v) - outer, bite * outer - cut)


SHAPES = (_circle, _square, _triangle, _star, _cross, _heart, _ring, _crescent)


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """Picture files, decoded and resized by Pillow: the square in the centre, bicubic; uint8 `(size, size, 3)`."""

    def __init__(self, paths: Sequence[Path], size: int):
        self.paths, self.size = tuple(paths), size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as image:
            whole = image.convert("RGB")
        short = min(whole.size)
        left, top = (whole.width - short) / 2, (whole.height - short) / 2
        box = (left, top, whole.width - left, whole.height - top)
        square = whole.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
        return torch.from_numpy(np.array(square)), index


def loader(paths: Sequence[Path], *, size: int, batch_size: int, seed: int, workers: int) -> DataLoader[Any]:
    """Pictures in a new random order in every epoch; processes stay from one epoch to the next."""
    return DataLoader(
        Pictures(paths, size),
        batch_size=batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="spawn" if workers else None,  # JAX's threads do not survive a fork
        drop_last=True,
    )
