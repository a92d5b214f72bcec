"""Attribution methods side by side: which pixels made the network say so, and which method can be believed.

Every method maps every image; the sheet shows the first images, the table measures all. Deletion and insertion: the
probability of the class while the pixels of largest values leave for, or come into, a blurred image. On scenes it is
known where the object is: how often a map is largest on it, and how much of a map's positive values lie there, beside
the same for a map of noise. Untrained: the rank correlation with the map of the same network before training; a method
whose maps hardly change does not explain the network.

Petsiuk, Das and Saenko, "RISE", https://arxiv.org/abs/1806.07421, 2018; Adebayo et al., "Sanity checks for saliency
maps", https://arxiv.org/abs/1810.03292, 2018; Zhang et al., "Top-down neural attention by excitation backprop",
https://arxiv.org/abs/1608.00507, 2016.

Without flags the scenes network looks at held-out scenes, in about 3 minutes on two cores; `--weights imagenet
--images FOLDER` takes ImageNet's SqueezeNet and your pictures. Writes the table (Markdown) and the sheet.
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from experiments import attribution_report as report
from experiments.attribution_methods import METHODS, MethodName, Problem
from experiments.command import command
from experiments.figures import percent, save, short_name
from experiments.inputs import load_inputs, probabilities, require_finite, require_number, top
from experiments.meshes import spread
from experiments.networks import load_network
from experiments.tables import print_table, write_table
from jaxvision.backbones import logits_fn
from jaxvision.backbones.classifier import RuledModel
from jaxvision.data import largest_object, render_scene, sample_scene, split_key
from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness import deletion, insertion, pointing_game, spearman
from jaxvision.pixels import gaussian_blur, normalize
from jaxvision.training import new_run, progress

SHOWN = 4  # images on the sheet
NOISE = "noise"  # the line of a map that knows nothing
CAM_LAYERS = {"photographs": "features.12", "scenes": "features.7", "digits": "relu2"}  # seven pixels a side or more


@dataclass(frozen=True)
class Config:
    """The settings of one comparison."""

    images: tuple[str, ...] = ()
    """files, folders or globs; none: held-out scenes, or sample photographs or digits, as the network knows them"""
    weights: str = "scenes"
    """auto, imagenet, scenes, or a safetensors file of a SqueezeNet, VGG or this project's LeNet"""
    methods: tuple[MethodName, ...] = tuple(METHODS)  # type: ignore[assignment]
    """which"""
    layer: str | None = None
    """of class activation maps, by torchvision's name; none: a late one that still has some pixels"""
    n_steps: int = 32
    """of deletion and insertion (a count)"""
    n_samples: int = 32
    """how many sample pictures (a count), where no images are given"""
    mesh: str | None = None
    """devices that divide the pictures among them, such as data=8; none: one device"""
    seed: int = 0
    """which held-out scenes are drawn, and of methods that draw"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/attribution-NNN"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    network: str
    n_images: int
    rows: tuple[report.Row, ...]
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Maps, measures, and writes the table and the sheet.

    Args:
        config: the settings.

    Returns:
        A row for each method, the last for noise.

    Raises:
        InputError: if an image, a setting or the network cannot be used.
        FloatingPointError: if a map is not finite.
    """
    for flag in ("n_steps", "n_samples"):
        require_number(config, flag, at_least=1)
    if not config.methods:
        raise InputError(f"--methods needs at least one of {', '.join(METHODS)}")
    network = load_network(config.weights)
    inputs = load_inputs(network, config.images, n_samples=config.n_samples, seed=config.seed)
    known = not config.images and network.samples == "scenes"
    masks = object_masks(split_key(config.seed, "test"), len(inputs.names)) if known else None
    answers = probabilities(network, inputs.images)
    problem = Problem(
        network.model,
        normalize(inputs.images),
        jnp.asarray(answers.argmax(1), jnp.int32),
        config.layer or CAM_LAYERS[network.samples],
        jax.random.split(jax.random.key(config.seed), len(answers)),
    )
    problem = problem._replace(**spread(config.mesh, of_pictures(problem), len(answers)))
    before = problem._replace(model=untrained(network.model, jax.random.key(config.seed)))
    with new_run("attribution", config, run_dir=config.run_dir) as run, progress(len(config.methods)) as tell:
        run.note(network.note)
        maps, rows = dict[str, np.ndarray](), list[report.Row]()
        for number, name in enumerate(dict.fromkeys(config.methods)):
            maps[name] = np.asarray(METHODS[name](problem))
            require_finite(maps[name], f"a map by {name}")
            other = np.asarray(METHODS[name](before))
            rows.append(measured(name, problem, maps[name], other, masks, config.n_steps))
            run.log(number, {"deletion": np.array([rows[-1].deletion.mean])})
            tell(number + 1, {"insertion": rows[-1].insertion.mean})
        noise, other = np.asarray(jax.random.normal(jax.random.key(config.seed), (2, *inputs.images.shape[:3])))
        rows.append(measured(NOISE, problem, noise, other, masks, config.n_steps))
        caption = f"{network.name}; means over {len(answers)} images, in attribution.md with 95 % intervals"
        write_table(run.path / "attribution.md", report.lines_of(rows), caption)
        print_table([tuple(cell.split(" ±")[0] for cell in line) for line in report.lines_of(rows)], caption)
        words = [top(network.class_names, answer, k=1)[0] for answer in answers[:SHOWN]]
        captions = [f"{short_name(name, 16)} {percent(chance)}" for name, chance in words]
        shown = {name: values[:SHOWN] for name, values in maps.items()}
        picture = save(report.sheet(inputs.images[:SHOWN], captions, shown), run.picture("maps.png"))
        result = Result(run.path, network.name, len(answers), tuple(rows), (picture,))
        run.finish(result)
    return result


def of_pictures(problem: Problem) -> dict[str, Array]:
    """What there is one of for each picture."""
    return {"images": problem.images, "labels": problem.labels, "keys": problem.keys}


def measured(
    name: str,
    problem: Problem,
    maps: Float[np.ndarray, "n h w"],
    of_untrained: Float[np.ndarray, "n h w"],
    masks: Bool[np.ndarray, "n h w"] | None,
    n_steps: int,
) -> report.Row:
    """A method's maps by every measure.

    Args:
        name: the method.
        problem: what it was given.
        maps: what it said.
        of_untrained: what it says of the network without training.
        masks: where the objects are, if that is known.
        n_steps: of deletion and insertion.
    """
    blurred = gaussian_blur(problem.images, problem.images.shape[1] / 12)
    given = (logits_fn(problem.model), problem.images, problem.labels, maps)
    gone, come = (np.asarray(f(*given, baseline=blurred, n_steps=n_steps).auc) for f in (deletion, insertion))
    game = None if masks is None else pointing_game(maps, masks)
    return report.Row(
        name,
        None if game is None else report.Estimate.of(np.asarray(game.hit, np.float64)),
        None if game is None else report.Estimate.of(np.asarray(game.energy)),
        report.Estimate.of(gone),
        report.Estimate.of(come),
        report.Estimate.of(np.asarray(spearman(maps, of_untrained))),
    )


def object_masks(key: Key[Array, ""], n: int, size: int = 64) -> Bool[np.ndarray, "n h w"]:
    """Where the object that gives a scene its class is seen, for the scenes of `data.scene_batch`.

    Args:
        key: of the batch.
        n: scenes.
        size: pixels of a side.
    """

    def one(index: Array) -> Array:
        scene = sample_scene(jax.random.fold_in(key, index))
        return render_scene(scene, size)[1][largest_object(scene)] > 0.5

    return np.asarray(jax.jit(jax.vmap(one))(jnp.arange(n)))


def untrained(model: RuledModel, key: Key[Array, ""]) -> RuledModel:
    """The same network as it was before any training: He's normal kernels and biases of zero.

    References:
        He et al., "Delving deep into rectifiers", https://arxiv.org/abs/1502.01852, 2015, equation 10.
    """
    leaves, tree = jax.tree.flatten(model)
    keys = jax.random.split(key, len(leaves))
    fresh = [
        jax.nn.initializers.he_normal()(k, leaf.shape, leaf.dtype) if leaf.ndim > 1 else jnp.zeros_like(leaf)
        for k, leaf in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(tree, fresh)


if __name__ == "__main__":
    command(main, Config)
