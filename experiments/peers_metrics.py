"""What others run for the metrics of features: NumPy and SciPy as pytorch-fid and torch-fidelity do, prdc, PyTorch."""

import contextlib
import io
from collections.abc import Callable

import numpy as np
import prdc
import scipy.linalg
import torch
from jaxtyping import Float

Features = Float[np.ndarray, "n d"]
BLOCK = 256  # rows of distances at a time, in float32 quicker than 1000

Distance = Callable[[Features, Features], float]


def by_square_root(real: Features, fake: Features) -> float:
    """As pytorch-fid: moments in NumPy, SciPy's root of the product."""
    (mean, a), (other, b) = _moments(real), _moments(fake)
    root = np.asarray(scipy.linalg.sqrtm(a @ b), np.complex128)
    return float(np.sum((mean - other) ** 2) + np.trace(a) + np.trace(b) - 2 * np.trace(root).real)


def by_eigenvalues(real: Features, fake: Features) -> float:
    """As torch-fidelity: moments in NumPy, eigenvalues of the product, which is not symmetric."""
    (mean, a), (other, b) = _moments(real), _moments(fake)
    values = np.linalg.eigvals(a @ b).astype(np.complex128)
    return float(np.sum((mean - other) ** 2) + np.trace(a) + np.trace(b) - 2 * np.sum(np.sqrt(values)).real)


def by_eigenvalues_in_torch(real: Features, fake: Features) -> float:
    """The same in PyTorch, as torchmetrics does."""
    (mean, a), (other, b) = _torch_moments(real), _torch_moments(fake)
    root = torch.linalg.eigvals(a @ b).sqrt().real.sum()
    return float(((mean - other) ** 2).sum() + a.trace() + b.trace() - 2 * root)


def symmetric_in_torch(real: Features, fake: Features) -> float:
    """PyTorch's symmetric solvers: the root of one covariance, the eigenvalues of the other between two of it."""
    (mean, a), (other, b) = _torch_moments(real), _torch_moments(fake)
    widths, axes = torch.linalg.eigh(a)
    root = axes * widths.clamp(min=0).sqrt()
    values = torch.linalg.eigvalsh(root.T @ b @ root)
    return float(((mean - other) ** 2).sum() + a.trace() + b.trace() - 2 * values.clamp(min=0).sqrt().sum())


def manifold_by_prdc(real: Features, fake: Features, *, k: int) -> np.ndarray:
    """The package prdc, whose line on standard output is left out: precision, recall, density, coverage."""
    with contextlib.redirect_stdout(io.StringIO()):
        found = prdc.compute_prdc(real, fake, nearest_k=k)
    return np.array([found[name] for name in ("precision", "recall", "density", "coverage")])


def manifold_in_torch(
    real: Features, fake: Features, *, k: int, dtype: torch.dtype = torch.float32, block: int = BLOCK
) -> np.ndarray:
    """Blocks of `torch.cdist` with `topk`: precision, recall, density, coverage."""
    x, y = (torch.from_numpy(features).to(dtype) for features in (real, fake))
    x_radii, y_radii = _radii(x, k, block), _radii(y, k, block)
    counts, recalled, covered = torch.zeros(len(y), dtype=torch.int64), list[torch.Tensor](), list[torch.Tensor]()
    for rows, radii in zip(x.split(block), x_radii.split(block), strict=True):
        distances = torch.cdist(rows, y)
        within = distances < radii[:, None]
        counts += within.sum(0)
        covered.append(within.any(1))
        recalled.append((distances < y_radii).any(1))
    shares = (counts > 0), torch.cat(recalled), counts / k, torch.cat(covered)
    return np.array([float(share.double().mean()) for share in shares])


def _radii(x: torch.Tensor, k: int, block: int) -> torch.Tensor:
    return torch.cat([torch.cdist(rows, x).topk(k + 1, dim=1, largest=False).values[:, -1] for rows in x.split(block)])


def _moments(features: Features) -> tuple[np.ndarray, np.ndarray]:
    return features.mean(axis=0, dtype=np.float64), np.cov(features, rowvar=False)


def _torch_moments(features: Features) -> tuple[torch.Tensor, torch.Tensor]:
    wide = torch.from_numpy(features).double()
    return wide.mean(0), torch.cov(wide.T)
