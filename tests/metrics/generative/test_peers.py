"""The same features through torch-fidelity and prdc."""

import jax
import numpy as np
import pytest

from jaxvision.metrics import generative

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def sets():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(24, 24))
    real = np.maximum(rng.normal(size=(600, 24)) @ mix + 1, 0)  # as features behind a rectifier are
    return real, np.maximum(rng.normal(size=(500, 24)) @ mix * 0.9 + 1.2, 0)


@pytest.fixture
def fidelity(torch_fidelity):
    import torch_fidelity.metric_fid
    import torch_fidelity.metric_isc
    import torch_fidelity.metric_kid
    import torch_fidelity.metric_prc

    return torch_fidelity


@pytest.fixture
def tensors(fidelity, sets):
    import torch

    return [torch.from_numpy(x) for x in sets]


def test_frechet_distance_is_torch_fidelitys(fidelity, sets, tensors):
    statistics = [fidelity.metric_fid.fid_features_to_statistics(x) for x in tensors]
    theirs = fidelity.metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    ours = generative.frechet_distance(*sets)
    np.testing.assert_allclose(ours, theirs[fidelity.KEY_METRIC_FID], rtol=1e-6)
    np.testing.assert_allclose(
        generative.frechet_distance(*(x.astype(np.float32) for x in sets)), theirs[fidelity.KEY_METRIC_FID], rtol=1e-6
    )


def test_kernel_distance_is_torch_fidelitys(fidelity, sets, tensors):
    """On subsets that are whole sets, in another order; and on the very subsets that it draws."""
    real, fake = sets[0][:500], sets[1]
    pair = tensors[0][:500], tensors[1]
    options = {"kid_subsets": 4, "kid_subset_size": 500, "verbose": False, "rng_seed": 2020}
    theirs = fidelity.metric_kid.kid_features_to_metric(*pair, **options)
    ours = generative.kernel_distance(real, fake, key=jax.random.key(0), n_subsets=4, subset_size=500)
    np.testing.assert_allclose(ours.mean, theirs[fidelity.KEY_METRIC_KID_MEAN], rtol=1e-6)
    options |= {"kid_subset_size": 100}
    theirs = fidelity.metric_kid.kid_features_to_metric(*pair, **options)
    rng = np.random.RandomState(2020)
    values = [generative.squared_mmd(*(x[rng.choice(500, 100, replace=False)] for x in (real, fake))) for _ in range(4)]
    np.testing.assert_allclose(np.mean(values), theirs[fidelity.KEY_METRIC_KID_MEAN], rtol=1e-6)
    np.testing.assert_allclose(np.std(values), theirs[fidelity.KEY_METRIC_KID_STD], rtol=1e-6)


def test_classifier_score_is_torch_fidelitys(fidelity, sets, tensors):
    theirs = fidelity.metric_isc.isc_features_to_metric(tensors[0], splits=7, shuffle=False)
    ours = generative.classifier_score(sets[0], n_splits=7)
    np.testing.assert_allclose(ours, list(theirs.values()), rtol=1e-6)


def test_precision_and_recall_are_torch_fidelitys(fidelity, sets, tensors):
    real, fake = tensors
    theirs = fidelity.metric_prc.prc_features_to_metric(
        fake, real, prc_neighborhood=3, prc_batch_size=200, save_cpu_ram=True, verbose=False
    )
    ours = generative.manifold_scores(*sets, k=3)
    np.testing.assert_allclose(ours[:2], (theirs["precision"], theirs["recall"]), rtol=1e-6)


@pytest.mark.parametrize("k", [1, 5])
def test_manifold_scores_are_prdcs(sets, k):
    prdc = pytest.importorskip("prdc", reason="extra `peers`: prdc is not installed")
    theirs = prdc.compute_prdc(*sets, nearest_k=k)
    ours = generative.manifold_scores(*sets, k=k)
    for name, value in ours._asdict().items():
        np.testing.assert_allclose(value, theirs[name], rtol=1e-6)
    assert 0.1 < ours.recall < 0.9
