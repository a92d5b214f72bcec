"""What the tour shows of networks that learn: a small run or a trained one, its pictures, and what to say of them."""

import re
from pathlib import Path

from experiments import caption, figures, gan, train_classifier
from experiments.command import command_line
from experiments.exhibits import Visit
from experiments.gallery import Exhibit, Picture
from experiments.networks import SCENES
from jaxvision.data import MNIST_FILES

GAN_ROWS = {"frechet": "Frechet distance", "coverage": "coverage", "nearest": "distance to the closest training digit"}


def show_caption(visit: Visit) -> Exhibit:
    """What it says."""
    config = caption.Config(n_samples=8, explain="occlusion", seed=visit.seed, run_dir=visit.run_dir)
    result = caption.main(config)
    assert result.scores is not None
    assert result.scores.truth is not None
    truth = result.scores.truth["beam"]
    return Exhibit(
        name="caption",
        title="What does it say?",
        pictures=(
            Picture(
                result.pictures[0],
                "Eight scenes, what the captioner says of each in three ways, and what else may be said",
                "Below each scene the caption of a beam search, a greedy one and a sampled one; in grey, descriptions "
                "that the scene itself was given.",
            ),
            Picture(
                result.pictures[-1],
                "The same scenes, and for each word of a caption the places that spoke for it",
                "Which pixels made each word: there is light where grey in their place would have lowered its score.",
            ),
        ),
        text=(
            "A network that sees the picture begins the state of a second one, an LSTM, which says one word after the "
            "other, each given the words before it. These scenes were never seen in training; and since it is known "
            "exactly what they show, every claim of a caption can be checked. A word is a class like any other: it can "
            "be asked which pixels made it.",
        ),
        command=command_line("caption", config),
        numbers=(
            ("claims that are true", f"{sum(truth.held.values())} of {sum(truth.made.values())}"),
            ("captions true throughout", f"{round(truth.captions * config.n_samples)} of {config.n_samples}"),
            *((f"said of scene {i + 1}", said) for i, said in enumerate(result.captions["beam"][:3])),
        ),
        paper=(
            "Vinyals et al., Show and tell: a neural image caption generator, 2015",
            "https://arxiv.org/abs/1411.4555",
        ),
    )


def show_gan(visit: Visit) -> Exhibit:
    """What it makes up."""
    config = gan.Config(draw=128, seed=visit.seed, run_dir=visit.run_dir)
    result = gan.main(config)
    sheet, walk = result.pictures
    numbers = {"the rarest digit": min(result.shares), "the most frequent": max(result.shares)}
    return Exhibit(
        name="gan",
        title="What does it make up?",
        pictures=(
            Picture(sheet, "Handwritten digits in rows", "128 digits that nobody wrote, none chosen by hand."),
            Picture(
                walk,
                "Digits that slowly turn into others",
                "The same generator on straight ways from one random point to the next: what lies between two digits.",
            ),
        ),
        text=(
            "Two networks against each other: a generator turns 96 random numbers into an image, a critic learns to "
            "tell its images from real ones, and the generator learns from the critic's derivative what to change. It "
            "never sees a digit itself. Here it only draws; it was trained before, as its card says.",
        ),
        command=command_line("gan", config),
        numbers=(
            *((name, figures.percent(share)) for name, share in numbers.items()),
            *((f"{what}, trained to the end", score) for what, score in card_rows("generator_mnist.md", GAN_ROWS)),
        ),
        paper=(
            "Radford, Metz and Chintala, Unsupervised representation learning with deep convolutional GANs, 2015",
            "https://arxiv.org/abs/1511.06434",
        ),
    )


def show_train_classifier(visit: Visit) -> Exhibit:
    """What is learnt in a minute."""
    digits = all(file.location.exists() for *files, _ in MNIST_FILES.values() for file in files)
    # MNIST is never downloaded for a tour.
    config = train_classifier.Config(
        dataset="mnist" if digits else "scenes",
        steps=300 if digits else 200,
        batch_size=None if digits else 32,  # the long training's small batches would show nothing yet
        n_held_out=10_000 if digits else 1_000,
        seed=visit.seed,
        run_dir=visit.run_dir,
    )
    result = train_classifier.main(config)
    what, chance = ("handwritten digits", 10) if digits else ("the shape and colour of things", 64)
    curve = Picture(
        visit.run_dir / "pictures" / "training.png",
        f"Loss and accuracy over {config.steps} steps of training",
        "Each dot is a batch of training pictures, the line a running mean.",
    )
    mistakes = Picture(
        visit.run_dir / "pictures" / "mistakes.png",
        "Held-out pictures that are still classified wrongly, with the right name and what the network said",
        "What it still gets wrong on held-out pictures, the dearest mistakes first.",
    )
    return Exhibit(
        name="train_classifier",
        title="How does it learn?",
        pictures=(curve, mistakes) if digits else (curve,),
        text=(
            f"A network that begins with random weights and learns to name {what} from nothing but examples. This is "
            f"a short run of {config.steps} steps, to be watched and not to be used; guessing would be right in "
            f"{100 / chance:.2g} % of cases.",
            "The networks that come with the project went all the way; their cards say how, and how well they do.",
        ),
        command=command_line("train_classifier", config),
        numbers=(
            ("right on held-out pictures", f"{100 * result.accuracy:.1f} %"),
            *((f"trained to the end: {title}", score) for title, score in card_scores()),
            ("parameters", f"{result.n_parameters:,}"),
        ),
        paper=("Iandola et al., SqueezeNet, 2016", "https://arxiv.org/abs/1602.07360"),
    )


def card_rows(card: str, rows: dict[str, str], folder: Path = SCENES.parent) -> list[tuple[str, str]]:
    """Chosen lines of a card's table.

    Args:
        card: the file's name.
        rows: what each line is called there, and here.
        folder: where the cards are.

    Returns:
        Name and value of each line that is there; none without the card.
    """
    path = folder / card
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = {name: re.search(rf"^\| {re.escape(name)} \| (.+) \|$", text, re.MULTILINE) for name in rows}
    return [(rows[name], match[1]) for name, match in found.items() if match]


def card_scores(folder: Path = SCENES.parent) -> list[tuple[str, str]]:
    """What the cards of the embedded networks say of their accuracy.

    Args:
        folder: where the cards are.

    Returns:
        Title and accuracy of each card that states one, by file name.
    """
    scores = []
    for card in sorted(folder.glob("*.md")):
        text = card.read_text(encoding="utf-8")
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        accuracy = re.search(r"^\| accuracy \| \**([\d.]+ %)", text, re.MULTILINE)
        if title and accuracy:
            scores.append((title[1], accuracy[1]))
    return scores
