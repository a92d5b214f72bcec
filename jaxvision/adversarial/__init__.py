"""Which pixels fool: images that a classifier takes for something else."""

from jaxvision.adversarial.apgd import apgd, apgd_targeted
from jaxvision.adversarial.ascent import l1_ascent, l2_ascent, linf_ascent
from jaxvision.adversarial.autoattack import STAGES, AutoAttackResult, autoattack
from jaxvision.adversarial.carlini_wagner import carlini_wagner
from jaxvision.adversarial.ddn import ddn
from jaxvision.adversarial.deepfool import DeepFoolResult, deepfool
from jaxvision.adversarial.diagnostics import AttackDiagnostics, attack_diagnostics, explain
from jaxvision.adversarial.ead import ead
from jaxvision.adversarial.fab import fab
from jaxvision.adversarial.fgsm import fgsm
from jaxvision.adversarial.fmn import fmn
from jaxvision.adversarial.fooling import FoolingResult, fooling_image, fooling_problem
from jaxvision.adversarial.input_diversity import ResizeAndPad, resize_and_pad
from jaxvision.adversarial.losses import cross_entropy_loss, dlr_loss, margin_loss, targeted_dlr_loss
from jaxvision.adversarial.norms import L1, L2, LINF, Norm
from jaxvision.adversarial.pgd import AttackResult, pgd
from jaxvision.adversarial.projections import l1_projection, l2_projection, linf_projection
from jaxvision.adversarial.samples import l1_sample, l2_sample, linf_sample
from jaxvision.adversarial.sizes import l1_size, l2_size, linf_size
from jaxvision.adversarial.square import square
from jaxvision.adversarial.universal import UniversalPerturbation, universal_perturbation

__all__ = [
    "L1",
    "L2",
    "LINF",
    "STAGES",
    "AttackDiagnostics",
    "AttackResult",
    "AutoAttackResult",
    "DeepFoolResult",
    "FoolingResult",
    "Norm",
    "ResizeAndPad",
    "UniversalPerturbation",
    "apgd",
    "apgd_targeted",
    "attack_diagnostics",
    "autoattack",
    "carlini_wagner",
    "cross_entropy_loss",
    "ddn",
    "deepfool",
    "dlr_loss",
    "ead",
    "explain",
    "fab",
    "fgsm",
    "fmn",
    "fooling_image",
    "fooling_problem",
    "l1_ascent",
    "l1_projection",
    "l1_sample",
    "l1_size",
    "l2_ascent",
    "l2_projection",
    "l2_sample",
    "l2_size",
    "linf_ascent",
    "linf_projection",
    "linf_sample",
    "linf_size",
    "margin_loss",
    "pgd",
    "resize_and_pad",
    "square",
    "targeted_dlr_loss",
    "universal_perturbation",
]
