"""What the tour shows of many methods side by side: attributions, attacks, and images that a network looks for."""

import statistics

from experiments import attack, attribution, figures, visualize
from experiments.command import command_line
from experiments.exhibits import Visit
from experiments.gallery import Exhibit, Picture

MAPS = ("saliency", "integrated_gradients", "guided_backprop", "grad_cam", "occlusion", "deep_lift")
FAVOURITES = ("tarantula", "flamingo", "castle", "strawberry")


def show_attribution(visit: Visit) -> Exhibit:
    """Which explanation can be believed."""
    scenes = visit.network.samples == "scenes"
    config = attribution.Config(
        weights=visit.network.weights,
        methods=MAPS,  # type: ignore[arg-type]
        n_steps=16,
        n_samples=16 if scenes else 4,
        seed=visit.seed,
        run_dir=visit.run_dir,
    )
    result = attribution.main(config)
    *rows, noise = result.rows
    pointed = [(f"on the object, {r.method}", figures.percent(r.pointing.mean)) for r in result.rows if r.pointing]
    return Exhibit(
        name="attribution",
        title="Which explanation can be believed?",
        pictures=(
            Picture(
                result.pictures[0],
                f"Pictures, and maps of what {len(rows)} methods say decides their class",
                "A row for each picture, a column for each method: what speaks for the class is bright.",
            ),
        ),
        text=(
            "There is more than one way to ask which pixels decide, and the answers differ. So the maps are measured: "
            "the pixels that a method holds for important are taken away, and the probability of the class should fall "
            "(deletion), or they are given back, and it should rise (insertion)."
            + (" Of these scenes it is known where the object is; a map should be largest there." if scenes else ""),
        ),
        command=command_line("attribution", config),
        numbers=(
            *pointed,
            ("best deletion", _best(min(rows, key=lambda r: r.deletion.mean))),
            ("deletion by noise", f"{noise.deletion.mean:.2f}"),
        ),
        paper=(
            "Petsiuk, Das and Saenko, RISE: randomized input sampling for explanation of black-box models, 2018",
            "https://arxiv.org/abs/1806.07421",
        ),
    )


def _best(row: attribution.report.Row) -> str:
    return f"{row.method}, {row.deletion.mean:.2f}"


def show_attack(visit: Visit) -> Exhibit:
    """How little it takes."""
    config = attack.Config(
        weights=visit.network.weights,
        attacks=("fgsm", "mi_fgsm", "pgd"),
        n_steps=10,
        n_samples=4 if visit.network.samples == "photographs" else 32,
        seed=visit.seed,
        run_dir=visit.run_dir,
    )
    result = attack.main(config)
    worst = result.rows[-1].accuracies
    curve, sheet = result.pictures
    return Exhibit(
        name="attack",
        title="How little does it take?",
        pictures=(
            Picture(
                sheet,
                "Pictures as they are and changed within ever larger budgets, with the network's answers",
                "Left to right: no attack, then the change that each budget allows; a wrong answer is in colour.",
            ),
            Picture(curve, "Accuracy against the size of the change, a line for each attack"),
        ),
        text=(
            "How many pictures does the network still get right if every value may change by so much and no more? Each "
            "attack looks for the worst change within a budget. The network is no better than the lowest line.",
        ),
        command=command_line("attack", config),
        numbers=(
            ("pictures", f"{result.n_images}"),
            ("right without attack", figures.percent(worst[0])),
            *(
                (f"right within {255 * eps:.3g} of 255", figures.percent(share))
                for eps, share in zip(result.eps, worst[1:], strict=True)
            ),
        ),
        paper=(
            "Madry et al., Towards deep learning models resistant to adversarial attacks, 2017",
            "https://arxiv.org/abs/1706.06083",
        ),
    )


def show_visualize(visit: Visit) -> Exhibit:
    """What it looks for."""
    imagenet = len(visit.network.class_names) == 1000
    config = visualize.Config(
        targets=FAVOURITES if imagenet else (),
        n=None if imagenet else 4,
        weights="auto" if visit.network.samples == "digits" else visit.network.weights,  # no colours to draw in
        n_steps=80,
        seed=visit.seed,
        run_dir=visit.run_dir,
    )
    result = visualize.main(config)
    chances = [drawing.probability for drawing in result.drawings]
    names = ", ".join(figures.short_name(drawing.target, 40) for drawing in result.drawings)
    return Exhibit(
        name="visualize",
        title="What is it looking for?",
        pictures=(
            Picture(
                result.pictures[0],
                f"Images made for {names}",
                "The network's probability for the class stands beside its name.",
            ),
        ),
        text=(
            "The same question, asked in the waves that an image is made of instead of its pixels, and of an image "
            "that is shifted, scaled and turned a little at every step: what excites the network only at one place, or "
            "only by its finest noise, helps no more."
            + (
                ""
                if visit.network.samples != "scenes"
                else " Having only seen plain shapes, this network is content with patches of colour."
            ),
        ),
        command=command_line("visualize", config),
        numbers=(
            ("recognised by the network", f"{result.recognised} of {len(chances)}"),
            ("probability, median", figures.percent(statistics.median(chances))),
        ),
        paper=(
            "Olah, Mordvintsev and Schubert, Feature visualization, 2017",
            "https://distill.pub/2017/feature-visualization/",
        ),
    )
