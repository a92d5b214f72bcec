"""Runs experiments on one and on eight fake devices, and prints how far apart they are; for `test_meshes.py`.

A process of its own with JAX_NUM_CPU_DEVICES=8, for the number of devices is chosen once. Trainings take two of their
own steps in float64, in which a difference is one of the mathematics: in float32 two orders of one sum differ in the
last bit, and Adam's first update is the gradient's sign. Those that look run whole, in float32.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import (
    attack,
    attribution,
    caption,
    class_visualization,
    fast_style,
    fooling,
    gan,
    runs,
    saliency,
    style_sheet,
    style_transfer,
    train_classifier,
    train_encoder,
    visualize,
)
from jaxvision.training import gathered

SMALL = {"n_train": 64, "n_held_out": 8, "batch_size": 16, "steps": 4, "embed_size": 128}
SCENES = {"weights": "scenes"}
BOTH, ALL = "data=4,model=2", "data=8"


class Case(NamedTuple):
    """An experiment, its settings and the mesh."""

    main: Callable[[Any], Any]
    config: Any
    mesh: str


TRAININGS = {
    "captioner": Case(caption.main, caption.Config(**SMALL, hidden_size=128), BOTH),
    "transformer": Case(caption.main, caption.Config(**SMALL, hidden_size=256, model="transformer", num_heads=2), ALL),
    "generator": Case(gan.main, gan.Config(batch_size=8), BOTH),
    "generators side by side": Case(gan.main, gan.Config(batch_size=2, replicas=8), ALL),
    "classifier": Case(train_classifier.main, train_classifier.Config(batch_size=8, optimizer="adamw"), ALL),
    "encoder": Case(train_encoder.main, train_encoder.Config(batch_size=8), ALL),
    "style in one pass": Case(
        fast_style.main, fast_style.Config("train", size=32, batch_size=8, n_steps=3, width=4, n_blocks=1), ALL
    ),
}
LOOKS = {
    "saliency": Case(saliency.main, saliency.Config(**SCENES, n_samples=8), ALL),
    "fooling": Case(fooling.main, fooling.Config(**SCENES, n_samples=1, n_steps=2, targets=tuple("01234567")), ALL),
    "class_visualization": Case(
        class_visualization.main, class_visualization.Config(**SCENES, targets=("0",), n_steps=2), ALL
    ),
    "visualize": Case(visualize.main, visualize.Config(**SCENES, n=8, n_steps=2), ALL),
    "attack": Case(attack.main, attack.Config(**SCENES, n_samples=8, n_steps=2, attacks=("pgd",)), ALL),
    "attribution": Case(
        attribution.main, attribution.Config(**SCENES, n_samples=8, n_steps=2, methods=("saliency",)), ALL
    ),
    "style_sheet": Case(
        style_sheet.main,
        style_sheet.Config(**SCENES, content_weights=(0, 1, 2, 3, 4, 5, 6, 7), n_steps=2, size=32),
        ALL,
    ),
    "style_transfer": Case(style_transfer.main, style_transfer.Config(**SCENES, size=128, n_steps=2), "space=8"),
}


class Taken(Exception):
    """The first steps of a training, which ends there."""


def two_steps(step_fn: Any, state: Any, batch_fn: Any, **_: Any) -> Any:
    """In the place of `training.fit`: two steps in float64, and what came of them."""
    devices = {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(state)}
    whole = [leaf.is_fully_replicated for leaf in jax.tree.leaves(state)]
    state, found = _float64(state), []
    step = jax.jit(lambda step_fn, batch_fn, state: step_fn(state, _float64(batch_fn(state.step))))
    for _ in range(2):
        state, metrics = step(*map(_pytree, (step_fn, batch_fn)), state)
        found.append(metrics)
    leaves = [leaf for leaf in jax.tree.leaves(gathered(state)) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    raise Taken(
        [np.asarray(leaf).ravel() for leaf in jax.tree.leaves((found, leaves))], max(devices), whole.count(False)
    )


def _float64(tree: Any) -> Any:
    return jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def _pytree(function: Any) -> Any:
    return jax.tree_util.Partial(function) if jax.tree.leaves(function) == [function] else function


def taken(case: Case, mesh: str | None) -> tuple[np.ndarray, int, int]:
    """All numbers after two steps, on how many devices, and how many arrays were divided."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            case.main(replace(case.config, mesh=mesh, run_dir=Path(folder) / "run"))
        except Taken as steps:
            numbers, devices, n_divided = steps.args
            return np.concatenate(numbers), devices, n_divided
    raise AssertionError("it did not train")


def seen(case: Case, mesh: str | None) -> tuple[list[Any], dict[str, np.ndarray]]:
    """The numbers and the pictures of a whole run."""
    from jaxvision.data import read_image

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        case.main(replace(case.config, mesh=mesh, run_dir=run))
        result = json.loads((run / "result.json").read_text())
        pictures = {str(file.relative_to(run)): read_image(file).astype(int) for file in sorted(run.rglob("*.png"))}
        return [x for x in jax.tree.leaves(result) if not isinstance(x, str)], pictures


def _once(load: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same scenes serve one device and eight."""
    loaded: dict[str, Any] = {}

    def found(config: Any) -> Any:
        if config.model not in loaded:
            loaded[config.model] = load(config)
        return loaded[config.model]

    return found


def main() -> None:
    """A line of JSON for each."""
    names = sys.argv[1:]
    if not names or set(names) & set(TRAININGS):
        jax.config.update("jax_enable_x64", True)
        runs.fit = two_steps
        caption.load_data = _once(caption.load_data)
        for name, case in TRAININGS.items():
            if not names or name in names:
                one, of_one, _ = taken(case, None)
                many, devices, n_divided = taken(case, case.mesh)
                error = float(np.max(np.abs(many - one) / (1e-3 + np.abs(one))))
                print(json.dumps([name, error, of_one, devices, n_divided]), flush=True)
        jax.config.update("jax_enable_x64", False)
    for name, case in LOOKS.items():
        if not names or name in names:
            (one, before), (many, after) = seen(case, None), seen(case, case.mesh)
            error = float(np.max(np.abs(np.subtract(many, one, dtype=float)) / (1e-3 + np.abs(np.array(one, float)))))
            pixels = max(int(np.abs(after[file] - before[file]).max()) for file in before)
            print(json.dumps([name, error, pixels]), flush=True)


if __name__ == "__main__":
    main()
