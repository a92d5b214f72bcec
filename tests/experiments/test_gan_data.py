"""GANs of clothes, of small photographs and of a folder's pictures: what is read, refused, drawn, scored and kept."""

import io

import jax
import numpy as np
import pytest
from PIL import Image

from experiments import gan, gan_data, gan_features, gan_figures, gan_scores, gan_training
from experiments.gan import Config, main, resolved
from experiments.gan_data import COLOUR, GREY
from experiments.generator_files import TrainedGenerator, load_generator, save_generator
from jaxvision import weights
from jaxvision.errors import InputError

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """120 pictures, 60 of them in a folder below; the red of the k-th by path is k."""
    # Brackets: a name with a pattern's signs is still a name.
    path = tmp_path_factory.mktemp("pictures") / "of [all] kinds"
    (path / "more").mkdir(parents=True)
    for number in range(120):
        pixels = np.full((40, 64, 3), [number, 200, 90], np.uint8)
        pixels[:, :12] = pixels[:, -12:] = 255  # outside of the square in the centre
        name = f"more/{number:03d}.png" if number < 60 else f"z{number:03d}.bmp"
        Image.fromarray(pixels).save(path / name)
    (path / "notes.txt").write_text("no picture")
    return path


def clothes(n):
    return RNG.integers(0, 256, (n, 28, 28, 1)).astype(np.uint8), np.arange(n, dtype=np.int32) % 10


def photographs(n):
    return RNG.integers(0, 256, (n, 32, 32, 3)).astype(np.uint8), np.arange(n, dtype=np.int32) % 10


def test_a_folder_is_read_cut_and_split(folder):
    images = gan_data.load("folder", folder)
    assert images.shape == COLOUR
    np.testing.assert_array_equal(images.held_out[:, 16, 16, 0], np.arange(0, 120, 10))
    np.testing.assert_array_equal(images.train[:9, 16, 3, 0], np.arange(1, 10))
    assert len(images.train) == 108
    assert (images.train[:, :, 2:-2, 1:] == [200, 90]).all()


@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
def test_published_sets_keep_their_split(dataset, monkeypatch):
    read = {"fashion_mnist": clothes, "cifar10": photographs}[dataset]
    monkeypatch.setattr(gan_data, dataset, lambda split: read({"train": 30, "test": 20}[split]))
    images = gan_data.load(dataset)
    assert images.shape == gan_data.SHAPES[dataset]
    assert (len(images.train), len(images.held_out)) == (30, 20)


def test_too_few_pictures_are_refused(tmp_path):
    for number in range(9):
        Image.new("RGB", (40, 40)).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match="holds 9 images: a generator needs at least 100 to learn from"):
        gan_data.load("folder", tmp_path)


def test_pictures_that_cannot_be_read_are_named(folder, tmp_path):
    for file in folder.glob("*.bmp"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "more").mkdir()
    for number in range(50):
        (tmp_path / "more" / f"{number}.jpg").write_bytes(b"words" if number in (3, 7) else _png(9))
    with pytest.raises(InputError, match=r"2 of the 110 images in .*: more/3\.jpg, more/7\.jpg; .* is not an image"):
        gan_data.load("folder", tmp_path)
    for number in range(50):
        (tmp_path / "more" / f"{number}.jpg").write_bytes(_png(5))
    with pytest.raises(InputError, match=r"50 of the 110 .*, \.\.\.; of the first, .* 5 x 5 pixels") as error:
        gan_data.load("folder", tmp_path)
    assert "\n" not in str(error.value)


def _png(side):
    written = io.BytesIO()
    Image.new("L", (side, side)).save(written, "png")
    return written.getvalue()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--dataset", "cifar10"], "mlp draws 28 x 28 x 1 and the images are 32 x 32 x 3: use --network resnet"),
        (["--dataset", "folder", "--images", ".", "--network", "dcgan"], "--network dcgan draws 28 x 28 x 1 and"),
        (["--dataset", "folder", "--network", "resnet"], "--dataset folder and --images FOLDER belong together"),
        (["--images", "."], "--dataset folder and --images FOLDER belong together"),
        (["--dataset", "folder", "--images", "nowhere", "--network", "resnet"], "--images nowhere is no folder"),
        (
            ["--dataset", "folder", "--images", ".", "--network", "resnet"],
            "--images .: the pattern ** matches no",
        ),
    ],
)
def test_bad_input_is_one_sentence(words, what, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (sentence,) = refused(gan, *words)
    assert what in sentence
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("network", ["mlp", "dcgan", "resnet"])
def test_clothes_are_for_every_pair(network):
    assert resolved(Config(dataset="fashion_mnist", network=network)).network == network


@pytest.mark.parametrize("shape", [GREY, (28, 28, 3), (32, 32, 1), COLOUR])
def test_the_residual_pair_takes_28_and_32_pixels_grey_and_in_colour(shape):
    """Shapes alone: nothing is compiled."""

    def score(key):
        draw = gan_training.generator("resnet", 4, key, shape)
        images = draw(jax.numpy.zeros((2, 4)))
        return images, gan_training.critic("resnet", key, shape)(images)

    images, scores = jax.eval_shape(score, jax.random.key(0))
    assert (images.shape, scores.shape) == ((2, *shape), (2,))


@pytest.mark.parametrize(("network", "shape"), [("mlp", COLOUR), ("resnet", (64, 64, 3)), ("resnet", (32, 32, 2))])
def test_other_shapes_are_refused(network, shape):
    sentence = f"the images are {shape[0]} x {shape[1]} x {shape[2]}: .*--network resnet"
    with pytest.raises(InputError, match=sentence):
        gan_training.generator(network, 4, jax.random.key(0), shape)
    with pytest.raises(InputError, match=sentence):
        gan_training.critic(network, jax.random.key(0), shape)


def test_a_sheet_in_colour_shows_each_pixel(tmp_path):
    images, _ = photographs(5)
    with Image.open(gan_figures.write_sheet(tmp_path / "a.png", images, columns=2)) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (3 * 66 - 2, 2 * 66 - 2, 3)
    np.testing.assert_array_equal(pixels[66:130:2, 66:130:2], images[3])
    assert (pixels[132:, 66:] == gan_figures.PAPER).all()


def test_a_walk_in_colour_keeps_its_colours(tmp_path):
    def draw(latents):
        return jax.numpy.broadcast_to(jax.numpy.array([1.0, 0.0, -1.0]), (len(latents), 32, 32, 3))

    path = gan_figures.write_walk(tmp_path / "a.gif", jax.tree_util.Partial(draw), latent_dim=2, seed=0)
    with Image.open(path) as film:
        assert film.size == (10 * 66 - 2, 4 * 66 - 2)
        frame = np.asarray(film.convert("RGB"))
    assert np.abs(frame[10, 10].astype(int) - [255, 128, 0]).max() <= 4


def test_a_generator_in_colour_comes_back_from_its_file(tmp_path):
    model = gan_training.generator("resnet", 4, jax.random.key(0), COLOUR)
    save_generator(tmp_path / "g.safetensors", TrainedGenerator(model, "resnet", 4, COLOUR, "cifar10"), {})
    found = load_generator(tmp_path / "g.safetensors")
    assert (found.network, found.latent_dim, found.shape, found.dataset) == ("resnet", 4, COLOUR, "cifar10")
    assert found.model.layers["out.conv"].kernel.shape[-1] == 3


def test_a_file_that_states_no_shape_is_of_grey_images(tmp_path):
    file = tmp_path / "g.safetensors"
    model = gan_training.generator("mlp", 4, jax.random.key(0))
    save_generator(file, TrainedGenerator(model, "mlp", 4, dataset="mnist"), {"objective": "lsgan"})
    about = weights.metadata(file)
    assert about.pop("shape") == "28 x 28 x 1"
    weights.save(file, weights.load(file), about)
    found = load_generator(file)
    assert (found.shape, found.dataset) == (GREY, "mnist")


def test_clothes_are_scored_in_features_alone():
    images = gan_data.Images(clothes(150)[0], clothes(100)[0])
    features = gan_features.features_of("fashion_mnist")
    assert "a network of digits" in features.note
    assert "compare runs, not papers" in features.note
    judge = gan_scores.Judge(images, 100, features.look)
    found = judge.score(np.zeros((100, 28, 28, 1), np.uint8))
    assert found.frechet > judge.floor.frechet
    assert (found.classifier_score, found.shares) == (None, ())
    names = [name for name, *_ in gan_scores.summary([found, found], judge.floor)]
    assert names == ["frechet", "kid", "precision", "recall", "density", "coverage", "nearest"]


def test_photographs_are_seen_by_the_network_of_scenes(embedded, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path))
    features = gan_features.features_of("cifar10")
    assert "coloured shapes" in features.note
    grey = np.full((1, 32, 32, 3), 128, np.uint8)
    red = grey.copy()
    red[:, 8:24, 8:24] = [220, 30, 30]
    found, logits = features.look(np.concatenate([grey, red, grey]))
    assert found.shape == (3, 512)
    assert logits is None
    np.testing.assert_allclose(found[0], found[2], rtol=1e-5, atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.1


def test_photographs_are_seen_by_inception_where_it_is_at_hand(tmp_path, monkeypatch):
    """Which file, which images and which activations: the network itself has tests of its own."""
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path))
    file = weights.WEIGHTS["inception_v3_fid"].location
    file.parent.mkdir()
    file.touch()

    def see(images):
        assert images.shape[1:] == (299, 299, 3)
        return None, {"pool2048": images.mean(axis=(1, 2))}

    stand_in = {file: jax.tree_util.Partial(see)}
    monkeypatch.setattr(gan_features, "inception_v3_fid", stand_in.get)
    features = gan_features.features_of("folder")
    assert "Inception-v3" in features.note
    found, logits = features.look(np.stack([np.full((32, 32, 3), value, np.uint8) for value in range(102)]))
    assert logits is None
    np.testing.assert_allclose(found[:, 0], (np.arange(102) - 128) / 128, atol=1e-5)


@pytest.mark.slow
def test_a_folder_in_colour_trains_and_draws(folder, embedded, tmp_path, monkeypatch):
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path))
    file = tmp_path / "generator.safetensors"
    few = {"steps": 2, "batch_size": 4, "n_samples": 100, "checkpoint_every": 2}
    settings = Config(
        **few,
        dataset="folder",
        images=folder,
        network="resnet",
        objective="hinge",
        export=file,
        run_dir=tmp_path / "run",
    )
    result = main(settings)
    assert np.isfinite(result.scores[0].frechet)
    assert result.shares == ()
    with Image.open(result.pictures[0]) as picture:
        assert (picture.mode, picture.size) == ("RGB", (16 * 66 - 2, 8 * 66 - 2))
    card = file.with_suffix(".md").read_text()
    assert "`(N, 32, 32, 3)`, in [-1, 1], RGB" in card
    assert "compare runs, not papers" in card
    drawn = main(Config(draw=20, generator=file, run_dir=tmp_path / "drawn"))
    assert drawn.shares == ()
    with Image.open(drawn.pictures[0]) as picture:
        assert (picture.mode, picture.size) == ("RGB", (16 * 66 - 2, 2 * 66 - 2))
