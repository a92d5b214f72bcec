"""The captioning experiment: sanity run, files, scores, what it refuses, resume to the same bits."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments import caption, caption_data, caption_losses, caption_training, encoders, runs
from experiments.caption_data import Data, Split
from experiments.caption_pointing import named_in, naming_words, pointing_game
from experiments.caption_scores import judged, scored
from experiments.captioner_files import TrainedCaptioner, load_captioner, rounded, save_captioner
from experiments.captioners import OfRawCells, new_captioner, with_scaled_input
from experiments.encoders import Encoder
from jaxvision import weights
from jaxvision.backbones import scenenet, state_dict
from jaxvision.captioning import Vocabulary, attention_captioner, captioner
from jaxvision.data.captions import captioned_scenes
from jaxvision.data.scenes import CAPTION_WORDS, N_SCORES, SHAPES, render_scene
from jaxvision.errors import InputError
from jaxvision.training import checkpoints

ASSIGNMENTS_NAMES = ("W_proj", "b_proj", "W_embed", "Wx", "Wh", "b", "W_vocab", "b_vocab")


@pytest.fixture(autouse=True)
def own_encoder(tmp_path_factory, monkeypatch):
    """A SceneNet that has learnt nothing: no test here needs it to."""
    path = tmp_path_factory.getbasetemp() / "scenenet.safetensors"
    if not path.exists():
        weights.save(path, state_dict(scenenet(n_scores=N_SCORES)))
    monkeypatch.setattr(encoders, "SCENENET", path)


def easy(config):
    """Sixty pictures whose features say which of six sentences is right."""
    said = [("a red ring",), ("a blue star",), ("two hearts",), ("a cross",), ("a green ring",), ("a pink heart",)]
    vocabulary = Vocabulary.build([[word] for word in CAPTION_WORDS])
    features = np.eye(6, dtype=np.float32)[np.arange(60) % 6]
    tokens = vocabulary.encode([said[i % 6][0].split() for i in range(60)], 6)
    split = Split(features, tokens, np.arange(60, dtype=np.int32), tuple(said[i % 6] for i in range(60)), None)
    encoder = Encoder("course", None, 8, "", "six numbers")
    data = Data(split, split, vocabulary, encoder, str.split, None, "six sentences")
    return dataclasses.replace(data, train=caption_data.fewer(split, 50)) if config.overfit else data


@pytest.fixture
def easy_data(monkeypatch):
    monkeypatch.setattr(caption, "load_data", easy)


def settings(run_dir, **changes):
    few = {"steps": 60, "batch_size": 16, "hidden_size": 16, "embed_size": 8, "learning_rate": 2e-2}
    few |= {"max_length": 6, "checkpoint_every": 30, "num_beams": 2, "run_dir": run_dir}
    return caption.Config(**(few | changes))


@pytest.fixture(scope="module")
def forty():
    return captioned_scenes("test", 40)


def test_it_learns_and_says_so(easy_data, tmp_path, capsys):
    longer = {"steps": 150, "checkpoint_every": 75}
    result = caption.main(settings(tmp_path / "run", export=tmp_path / "six.safetensors", **longer))
    assert result.captions["greedy"][:3] == ("a red ring", "a blue star", "two hearts")
    assert result.loss is not None
    assert result.loss < 0.5
    assert result.scores is not None
    assert result.scores.corpus["beam"]["bleu_1"] == pytest.approx(1)
    validation = [json.loads(line) for line in (tmp_path / "run" / "validation.jsonl").read_text().splitlines()]
    assert [row["step"] for row in validation] == [75, 150]
    assert validation[1]["cider_d"] > validation[0]["cider_d"] - 1e-6
    best = checkpoints.best(tmp_path / "run" / "checkpoints")
    assert best is not None
    assert best.score == max(row["cider_d"] for row in validation)
    assert "beam: BLEU-1 1.000" in capsys.readouterr().err
    card = (tmp_path / "six.md").read_text("utf-8")
    assert "--hidden-size 16" in card
    assert "BLEU-4" in card


@pytest.mark.parametrize("line", ["{", "[]", '{"loss": 1.0}', '{"step": 1, "step": 2}'])
def test_a_changed_line_of_looks_is_told(tmp_path, line):
    (tmp_path / "validation.jsonl").write_text('{"step": 1, "cider_d": 0.5}\n' + line + "\n")
    with pytest.raises(InputError, match=r"line 2 of .*validation\.jsonl .*: take the line out, or the whole file"):
        caption_training._rows(tmp_path / "validation.jsonl")


def test_by_heart(easy_data, tmp_path):
    result = caption.main(settings(tmp_path / "run", overfit=True, cell="rnn"))
    assert result.by_heart == 1
    assert result.scores is None


def test_an_interrupted_run_resumes_to_the_same_bits(easy_data, tmp_path, monkeypatch):
    caption.main(settings(tmp_path / "whole", export=tmp_path / "whole.safetensors"))
    fit = runs.fit

    def stops(*args, **kept):
        fit(*args, **(kept | {"n_steps": 30}))
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "fit", stops)
    with pytest.raises(KeyboardInterrupt):
        caption.main(settings(tmp_path / "two"))
    monkeypatch.setattr(runs, "fit", fit)
    caption.main(settings(tmp_path / "two", resume=True, export=tmp_path / "two.safetensors"))
    assert (tmp_path / "whole.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    for name in ("metrics.jsonl", "validation.jsonl"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_a_run_with_every_option_resumes_within_its_second_phase(easy_data, tmp_path, monkeypatch):
    """The reward rises, and the bits are those of an unbroken run."""
    options = {"label_smoothing": 0.1, "scheduled_sampling": 0.2, "dropout": 0.1, "ema_decay": 0.9, "accumulate": 2}
    options |= {"precision": "bfloat16", "steps": 20, "self_critical": 20, "checkpoint_every": 10, "batch_size": 20}
    whole = caption.main(settings(tmp_path / "whole", export=tmp_path / "whole.safetensors", **options))
    assert whole.loss is not None
    assert whole.reward is not None
    assert "self-critical" in (tmp_path / "whole.md").read_text("utf-8")
    fit = runs.fit

    def stops(*args, **kept):
        state = fit(*args, **(kept | {"n_steps": min(kept["n_steps"], 30)}))
        if int(state.step) == 30:
            raise KeyboardInterrupt
        return state

    monkeypatch.setattr(runs, "fit", stops)
    with pytest.raises(KeyboardInterrupt):
        caption.main(settings(tmp_path / "two", **options))
    monkeypatch.setattr(runs, "fit", fit)
    caption.main(settings(tmp_path / "two", resume=True, export=tmp_path / "two.safetensors", **options))
    assert (tmp_path / "whole.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    assert (tmp_path / "whole" / "metrics.jsonl").read_text() == (tmp_path / "two" / "metrics.jsonl").read_text()


@pytest.fixture(scope="module")
def untaught():
    """A captioner of scenes that has learnt nothing."""
    vocabulary = Vocabulary.build([[word] for word in CAPTION_WORDS])
    sizes = {"feature_size": 728, "vocabulary_size": len(vocabulary), "embed_size": 4, "hidden_size": 4}
    return lambda: TrainedCaptioner(
        captioner(jax.random.key(0), **sizes), vocabulary, encoders.load_encoder("scenes"), 8
    )


def test_files_keep_everything(untaught, tmp_path):
    before = rounded(untaught())
    save_captioner(tmp_path / "a.safetensors", before)
    after = load_captioner(tmp_path / "a.safetensors")
    jax.tree.map(np.testing.assert_array_equal, after.model, before.model)
    assert set(weights.load(tmp_path / "a.safetensors")) == {*ASSIGNMENTS_NAMES}
    assert (after.vocabulary, after.max_length, after.encoder.name) == (before.vocabulary, 8, "scenes")


def test_files_that_do_not_fit(untaught, tmp_path, monkeypatch):
    file = tmp_path / "a.safetensors"
    save_captioner(file, untaught())
    tensors, about = weights.load(file), weights.metadata(file)
    fewer = json.dumps(json.loads(about["vocabulary"])[:-1])
    weights.save(tmp_path / "fewer.safetensors", tensors, about | {"vocabulary": fewer})
    with pytest.raises(InputError, match="the vocabulary does not match the captioner"):
        load_captioner(tmp_path / "fewer.safetensors")
    with pytest.raises(InputError, match=r"trained with|train a captioner with"):
        load_captioner(tmp_path / "nothing.safetensors")
    with pytest.raises(InputError, match="holds no captioner"):
        load_captioner(encoders.SCENENET)
    weights.save(tmp_path / "other.safetensors", state_dict(scenenet(n_scores=N_SCORES, key=jax.random.key(5))))
    monkeypatch.setattr(encoders, "SCENENET", tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="features of another network"):
        load_captioner(file)


def test_pictures_of_ones_own_and_scenes(untaught, tmp_path, capsys):
    save_captioner(tmp_path / "a.safetensors", untaught())
    pixels = np.random.default_rng(0).integers(0, 255, (40, 70, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "holiday.png")
    few = {"captioner": tmp_path / "a.safetensors", "num_beams": 2}
    own = caption.main(caption.Config(caption=(tmp_path / "holiday.png",), run_dir=tmp_path / "own", **few))
    assert len(own.captions["beam"]) == 1
    printed = capsys.readouterr()
    assert printed.out == f"holiday: {own.captions['beam'][0]}\n"
    assert "of photographs it talks nonsense" in printed.err
    scenes = caption.main(caption.Config(n_samples=2, run_dir=tmp_path / "scenes", **few))
    assert scenes.scores is not None
    assert scenes.scores.truth is not None
    assert scenes.pictures[0].stat().st_size > 10_000


def test_several_captions_that_hold_a_word(untaught, tmp_path, capsys):
    save_captioner(tmp_path / "a.safetensors", untaught())
    few = {"captioner": tmp_path / "a.safetensors", "num_beams": 3, "n_samples": 2}
    said = caption.main(
        caption.Config(run_dir=tmp_path / "run", require=("star",), num_return_sequences=2, **few)
    ).captions
    assert list(said) == ["beam", "beam 2", "greedy", "sample", "sample 2"]
    assert all("star" in words.split() for words in (*said["beam"], *said["beam 2"]))
    assert all(best != second for best, second in zip(said["beam"], said["beam 2"], strict=True))
    pairs = zip(said["beam"], said["beam 2"], strict=True)
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == [w for pair in pairs for w in pair]
    with pytest.raises(InputError, match=r"--require zebra: it is none of the .* words .* give one that it knows"):
        caption.main(caption.Config(run_dir=tmp_path / "other", require=("zebra",), **few))


@pytest.fixture(scope="module")
def untaught_attentive():
    """By name, captioners that look at SceneNet's cells and have learnt nothing."""

    def one(name):
        vocabulary, few = Vocabulary.build([[word] for word in CAPTION_WORDS]), {"embed_size": 4, "hidden_size": 4}
        settings = caption.resolved(caption.Config(model=name, max_length=8, **few))
        model = new_captioner(settings, jax.random.key(0), 157, len(vocabulary))
        raw = OfRawCells(model, jnp.full(157, 0.5), jnp.full(157, 2.0))
        return TrainedCaptioner(raw, vocabulary, encoders.load_encoder("scenes", grid=True), 8)

    return one


@pytest.mark.parametrize("name", ["attention", "adaptive", "top_down", "transformer"])
def test_files_of_attentive_captioners_keep_everything(untaught_attentive, tmp_path, name):
    before = rounded(untaught_attentive(name))
    save_captioner(tmp_path / "a.safetensors", before)
    after = load_captioner(tmp_path / "a.safetensors")
    assert type(after.model.model) is type(before.model.model)
    jax.tree.map(np.testing.assert_array_equal, after.model, before.model)
    assert after.encoder.grid
    tensors, about = weights.load(tmp_path / "a.safetensors"), weights.metadata(tmp_path / "a.safetensors")
    del tensors["mean"]
    weights.save(tmp_path / "less.safetensors", tensors, about)
    with pytest.raises(InputError, match="its captioner has no mean"):
        load_captioner(tmp_path / "less.safetensors")


def test_where_words_were_looked_for(untaught_attentive, tmp_path):
    """Of scenes by a file: the sheet, the pointing game; maps do not depend on the neighbours."""
    model = untaught_attentive("transformer")
    save_captioner(tmp_path / "a.safetensors", model)
    few = {"captioner": tmp_path / "a.safetensors", "num_beams": 2, "hard": True, "n_samples": 3}
    result = caption.main(caption.Config(run_dir=tmp_path / "scenes", **few))
    assert [path.name for path in result.pictures] == ["captions.png", "captions_attention.png"]
    assert result.pointing is not None
    assert 0 <= result.pointing["shape"].hits <= 1
    cells = np.random.default_rng(0).normal(size=(5, 64, 157)).astype(np.float16)
    captions = ["a red ring"] * 5
    maps = model.maps(cells, captions)
    assert maps.shape == (5, 8, 64)
    np.testing.assert_allclose(maps.sum(axis=2), 1, rtol=1e-4)
    np.testing.assert_array_equal(model.maps(cells[:2], captions[:2]), maps[:2])


def test_the_pointing_game_by_hand():
    """The scene's objects are in the cells of its masks; a shape of two objects does not count."""
    scenes = captioned_scenes("test", 6)
    masks = np.asarray(jax.vmap(lambda scene: render_scene(scene, 64)[1])(scenes.scenes))
    cells = masks.reshape(6, 4, 8, 8, 8, 8).max(axis=(3, 5)).reshape(6, 4, 64) >= 0.5
    captions, right, wrong, n_alone = [], np.zeros((6, 1, 64)), np.zeros((6, 1, 64)), 0
    for index in range(6):
        scene = scenes.scene(index)
        captions.append(SHAPES[int(scene.shape[0])])
        alone = int((scene.shape[: scene.n_objects] == scene.shape[0]).sum()) == 1
        n_alone += alone
        right[index, 0, cells[index, 0].argmax()] = 1
        wrong[index, 0, (~cells[index, 0]).argmax()] = 1
    found = pointing_game(captions, right, scenes, 8)
    assert (found["shape"].hits, found["shape"].words, found["color"].words) == (1, n_alone, 0)
    assert 0 < found["shape"].chance < 0.6
    assert pointing_game(captions, wrong, scenes, 8)["shape"].hits == 0


def test_the_box_of_a_ring_has_its_middle(forty):
    """One large ring: its middle cell shows none of it, and is in its box; so are more cells by chance."""
    cells, index, middle = named_in(forty.captions, forty, 8, 1).cells, -1, -1
    for i in range(len(forty)):
        scene = forty.scene(i)
        rings = np.flatnonzero(scene.shape[: scene.n_objects] == SHAPES.index("ring"))
        x, y = (8 * scene.center[rings[0]]).astype(int) if len(rings) == 1 else (0, 0)
        if len(rings) == 1 and not cells[i, rings[0], 8 * y + x]:
            index, middle = i, 8 * y + x
    assert index >= 0
    maps, captions = np.zeros((len(forty), 1, 64)), ["a"] * len(forty)
    maps[index, 0, middle], captions[index] = 1, "ring"
    games = [pointing_game(captions, maps, forty, 8, boxes=boxes)["shape"] for boxes in (False, True)]
    assert [game.hits for game in games] == [0, 1]
    assert games[0].chance < games[1].chance < 0.7


def test_words_that_name_one_object_are_found(forty):
    """Of every caption the objects of its words, as `naming_words` has them; a batch has their cells."""
    named = named_in(forty.captions, forty, 8, 6)
    assert named.objects.shape == (5 * len(forty), 6)
    for number in range(5):
        captions = [of_scene[number] for of_scene in forty.captions]
        expected = np.full((len(forty), 6), -1)
        for index, place, _, thing in naming_words(captions, forty):
            if place < 6:
                expected[index, place] = thing
        np.testing.assert_array_equal(named.objects[number::5], expected)
    assert (named.objects >= 0).sum() > 10

    pictures = np.repeat(np.arange(len(forty), dtype=np.int32), 5)
    tokens = np.ones((len(pictures), 7), np.int32)
    tokens[:, 1] = np.arange(len(pictures))  # to know the rows again
    features = np.zeros((len(forty), 64, 3), np.float16)
    split = caption_data.Split(features, tokens, pictures, forty.captions, None, named)
    batch = caption_losses.written(features, split, jax.random.key(0), batch_size=9, n_steps=4)(jnp.int32(1))
    for row, where in zip(np.asarray(batch.tokens[:, 1]), np.asarray(batch.where), strict=True):
        for thing, cells in zip(named.objects[row], where, strict=True):
            np.testing.assert_array_equal(cells, named.cells[pictures[row], thing] & (thing >= 0))


def test_guided_attention_is_a_second_loss():
    model = attention_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9, embed_size=3, hidden_size=5)
    features, tokens = jax.random.normal(jax.random.key(1), (2, 7, 4)), jnp.array([[1, 5, 6, 2], [1, 7, 2, 0]])
    where = jnp.arange(7)[None, None] == jnp.array([[3, -1, -1], [5, -1, -1]])[:, :, None]
    config = caption.resolved(caption.Config(model="attention", guide_attention=0.5))
    batch = caption_losses.Written(features, tokens, jnp.float32(0), where)
    loss, metrics = caption_losses.cross_entropy(config)(model, batch, jax.random.key(2))
    alone, _ = caption_losses.cross_entropy(config)(model, batch._replace(where=None), jax.random.key(2))
    maps = model.attend(features, tokens[:, :-1])[1]
    expected = -np.log(maps[0, 0, 3]) - np.log(maps[1, 0, 5])
    np.testing.assert_allclose(metrics["misplaced"], expected / 2, rtol=1e-5)
    np.testing.assert_allclose(loss, alone + 0.5 * expected / 2, rtol=1e-5)


def test_an_attentive_captioner_learns_from_raw_cells(tmp_path, monkeypatch):
    """Which of four cells holds the answer changes from picture to picture; the others are noise."""

    def easy_cells(config):
        data, rng = easy(config), np.random.default_rng(0)
        cells = 3 + 0.1 * rng.normal(size=(60, 4, 6))
        cells[np.arange(60), rng.integers(0, 4, 60)] += 5 * data.train.features
        picture = rng.uniform(size=(8, 8, 3))
        split = dataclasses.replace(
            data.train, features=cells.astype(np.float16), image=lambda _: picture.astype(np.float32)
        )
        return dataclasses.replace(data, train=split, held_out=split, encoder=dataclasses.replace(data.encoder, side=2))

    monkeypatch.setattr(caption, "load_data", easy_cells)
    more = {"model": "top_down", "steps": 100, "checkpoint_every": 100}
    result = caption.main(settings(tmp_path / "run", **more))
    assert result.captions["greedy"][:3] == ("a red ring", "a blue star", "two hearts")
    assert [path.name for path in result.pictures] == ["captions.png", "captions_attention.png", "learning.png"]


def test_a_caption_does_not_depend_on_its_neighbours(untaught):
    model = untaught()
    features = np.random.default_rng(0).normal(size=(7, 728)).astype(np.float32)
    for decoder in ("greedy", "beam", "sample"):
        together = model.captions(features, decoder, num_beams=2)
        assert model.captions(features[:3], decoder, num_beams=2) == together[:3]
    ruled = model.captions(features, "beam", num_beams=2, min_length=4, no_repeat_ngram_size=1)
    assert all(len(caption.split()) >= 3 and len(set(caption.split())) == len(caption.split()) for caption in ruled)


def test_scaling_folds_into_the_weights(untaught):
    model, rng = untaught().model, np.random.default_rng(0)
    features = rng.normal(2, 3, (4, 728)).astype(np.float32)
    mean, scale = features.mean(axis=0), features.std(axis=0) + np.float32(0.1)
    expected = model.start(jnp.asarray((features - mean) / scale)).h
    found = with_scaled_input(model, mean, scale).start(jnp.asarray(features)).h
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_encoding_does_not_depend_on_the_batch():
    encoder, scenes = encoders.load_encoder("scenes"), captioned_scenes("test", 5)
    features = encoders.encode(encoder, scenes.images, batch_size=2)
    assert features.shape == (5, 728)
    np.testing.assert_allclose(features, encoders.encode(encoder, scenes.images, batch_size=4), rtol=1e-4, atol=1e-6)


def test_people_tell_the_truth_and_score_higher_than_a_parrot():
    scenes = captioned_scenes("test", 20)
    people = [captions[0] for captions in scenes.captions]
    said = {"people": people, "parrot": ["a large red ring"] * 20}
    truth = judged(said, scenes)
    assert truth["people"].share() == 1
    assert truth["people"].captions == 1
    assert truth["parrot"].share() < 0.7
    found = scored(said, scenes.captions, str.split, scenes)
    assert found.corpus["people"]["cider_d"] > found.corpus["parrot"]["cider_d"]
    assert set(found.same_terms) == {"people", "a person"}
    assert any("100.0 % of the stated" in line for line in found.lines())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--steps", "0"), "--steps must be above 0, got 0"),
        (
            ("--model", "attention", "--cell", "gru"),
            "--cell gru is of --model plain: leave it out with --model attention",
        ),
        (("--model", "transformer", "--num-heads", "5"), "--num-heads must divide --embed-size 128, got 5"),
        (("--hard", "--dataset", "coco"), "--hard is of --dataset scenes: leave it out with photographs"),
        (
            ("--guide-attention", "1"),
            "--guide-attention is of --dataset scenes, whose objects' places are known, with a --model that attends, "
            "and without --overfit: leave it out otherwise",
        ),
        (("--guide-attention", "-1"), "--guide-attention must be at least 0, got -1.0"),
        (("--dropout", "1"), "--dropout must be at least 0 and below 1, got 1.0"),
        (("--self-critical", "-1"), "--self-critical must be a number of steps, 0 or more, got -1"),
        (("--scheduled-sampling", "2"), "--scheduled-sampling must lie between 0 and 1, got 2.0"),
        (("--max-length", "2"), "--max-length must be 3 or more, a start, a word and an end; got 2"),
        (("--min-length", "0"), "--min-length must be above 0, got 0"),
        (("--no-repeat-ngram-size", "-1"), "--no-repeat-ngram-size must be at least 0, got -1"),
        (("--num-beam-groups", "2"), "--num-beam-groups must divide --num-beams, 5, got 2"),
        (("--diversity-penalty", "-1"), "--diversity-penalty must be at least 0, got -1.0"),
        (
            ("--diversity-penalty", "1"),
            "--diversity-penalty is between groups: give --num-beam-groups of 2 or more with it",
        ),
        (("--num-return-sequences", "6"), "--num-return-sequences must be at most --num-beams, 5, got 6"),
        (
            ("--require", "a", "--num-beam-groups", "5"),
            "--require and --num-beam-groups do not go together: leave one of them out",
        ),
        (("--require", *"abcdef"), "--require takes at most 5 words, each doubles the hypotheses; got 6"),
        (
            ("--require", "red"),
            "--require and --num-return-sequences are of --caption and --n-samples: leave them out in training",
        ),
        (("--temperature", "-1"), "--temperature must be 0 (the most probable words) or more, got -1.0"),
        (("--captioner", "a.safetensors"), "--captioner is of --caption and --n-samples: leave it out in training"),
        (
            ("--n-samples", "2", "--overfit"),
            "--caption and --n-samples train nothing: leave --resume, --export, --overfit and --mesh out",
        ),
    ],
)
def test_bad_settings(refused, words, sentence):
    assert refused(caption, *words) == [sentence]


def test_only_a_training_is_resumed():
    assert caption.Config().resumable
    assert not caption.Config(n_samples=2).resumable


def test_a_picture_that_is_missing(refused, untaught, tmp_path):
    save_captioner(tmp_path / "a.safetensors", untaught())
    (sentence,) = refused(caption, "--caption", tmp_path / "no.jpg", "--captioner", tmp_path / "a.safetensors")
    assert "no.jpg" in sentence


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "bound"), [("rnn", 0.1), ("lstm", 0.5), ("gru", 0.5)])
def test_the_assignments_sanity_run(needs, tmp_path, monkeypatch, cell, bound):
    """50 captions of COCO: a final loss below the published one, and every caption comes back."""
    for name in ("weights", "coco_mini", "imagenet"):
        (tmp_path / "home").mkdir(exist_ok=True)
        (tmp_path / "home" / name).symlink_to(needs(name))
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path / "home"))
    result = caption.main(caption.Config(dataset="coco_mini", overfit=True, cell=cell, run_dir=tmp_path / "run"))
    assert result.loss is not None
    assert result.loss < bound
    assert result.by_heart == 1
