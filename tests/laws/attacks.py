"""The laws' rows of fooling images and attacks."""

from jaxvision.adversarial import (
    L1,
    L2,
    ResizeAndPad,
    apgd,
    apgd_targeted,
    carlini_wagner,
    ddn,
    deepfool,
    ead,
    fab,
    fgsm,
    fmn,
    fooling_image,
    margin_loss,
    pgd,
    square,
)
from tests.laws.setting import N_CLASSES, N_STEPS, Method

EVERYWHERE = (-1e3, 1e3)  # images of the laws are normal noise


def run_fooling(logits_fn, images, labels, keys):
    result = fooling_image(logits_fn, images, labels, learning_rate=0.5, n_steps=N_STEPS)
    trace = {name: value.T for name, value in result.trace.items()}
    return {"images": result.images, "success": result.success, "steps": result.steps, **trace}


def run_fgsm(logits_fn, images, labels, keys):
    return fgsm(logits_fn, images, labels, eps=0.1, bounds=EVERYWHERE)._asdict()


def run_pgd(logits_fn, images, labels, keys):
    return pgd(logits_fn, images, labels, eps=0.1, n_steps=N_STEPS, key=keys, bounds=EVERYWHERE)._asdict()


def run_pgd_l2(logits_fn, images, labels, keys):
    settings = {"norm": L2, "n_restarts": 2, "momentum": 0.5, "targeted": True, "bounds": EVERYWHERE}
    return pgd(logits_fn, images, labels, eps=0.5, n_steps=N_STEPS, key=keys, **settings)._asdict()


def run_pgd_l1(logits_fn, images, labels, keys):
    settings = {"norm": L1, "loss": margin_loss, "bounds": EVERYWHERE}
    return pgd(logits_fn, images, labels, eps=2.0, n_steps=N_STEPS, key=keys, **settings)._asdict()


def run_pgd_diverse(logits_fn, images, labels, keys):
    settings = {"momentum": 1.0, "nesterov": True, "transform": ResizeAndPad(0.5, 1.0), "bounds": EVERYWHERE}
    return pgd(logits_fn, images, labels, eps=0.1, n_steps=N_STEPS, key=keys, **settings)._asdict()


def run_deepfool(logits_fn, images, labels, keys):
    return deepfool(logits_fn, images, n_steps=N_STEPS, n_classes=3, bounds=EVERYWHERE)._asdict()


def run_apgd(logits_fn, images, labels, keys):
    settings = {"n_restarts": 2, "bounds": EVERYWHERE}
    return apgd(logits_fn, images, labels, eps=0.05, n_steps=N_STEPS, key=keys, **settings)._asdict()


def run_apgd_targeted(logits_fn, images, labels, keys):
    settings = {"norm": L2, "n_target_classes": 2, "bounds": EVERYWHERE}
    return apgd_targeted(logits_fn, images, labels, eps=0.2, n_steps=N_STEPS, key=keys, **settings)._asdict()


def run_carlini_wagner(logits_fn, images, labels, keys):
    settings = {"n_searches": 2, "initial_weight": 100.0, "learning_rate": 0.05, "bounds": (-8.0, 8.0)}
    targets = (labels + 1) % N_CLASSES
    return carlini_wagner(logits_fn, images, targets, n_steps=N_STEPS, targeted=True, **settings)._asdict()


def run_ddn(logits_fn, images, labels, keys):
    settings = {"step_size": 2.0, "initial_eps": 3.0, "bounds": EVERYWHERE, "targeted": True}
    return ddn(logits_fn, images, (labels + 1) % N_CLASSES, n_steps=N_STEPS, **settings)._asdict()


def run_ead(logits_fn, images, labels, keys):
    settings = {"n_searches": 2, "initial_weight": 100.0, "step_size": 0.1, "bounds": EVERYWHERE, "targeted": True}
    return ead(logits_fn, images, (labels + 1) % N_CLASSES, n_steps=N_STEPS, **settings)._asdict()


def run_fmn(logits_fn, images, labels, keys):
    settings = {"n_steps": N_STEPS, "bounds": EVERYWHERE, "targeted": True}
    return fmn(logits_fn, images, (labels + 1) % N_CLASSES, **settings)._asdict()


def run_fmn_l1(logits_fn, images, labels, keys):
    settings = {"norm": L1, "n_steps": 4 * N_STEPS, "bounds": EVERYWHERE, "targeted": True}  # not 9: a tie
    return fmn(logits_fn, images, (labels + 1) % N_CLASSES, **settings)._asdict()


def run_square(logits_fn, images, labels, keys):
    return square(logits_fn, images, labels, eps=0.05, n_steps=N_STEPS, key=keys, bounds=EVERYWHERE)._asdict()


def run_fab(logits_fn, images, labels, keys):
    return fab(logits_fn, images, labels, eps=0.1, n_target_classes=2, n_steps=N_STEPS, bounds=EVERYWHERE)._asdict()


METHODS = [
    Method("fooling_image", run_fooling),
    Method("fgsm", run_fgsm),
    Method("pgd", run_pgd, random=True),
    Method("pgd_l2", run_pgd_l2, random=True),
    Method("pgd_l1", run_pgd_l1, random=True),
    Method("pgd_diverse", run_pgd_diverse, random=True),
    Method("deepfool", run_deepfool),
    Method("carlini_wagner", run_carlini_wagner),
    Method("ddn", run_ddn),
    Method("ead", run_ead),
    Method("fmn", run_fmn),
    Method("fmn_l1", run_fmn_l1),
    Method("apgd", run_apgd, random=True),
    Method("apgd_targeted", run_apgd_targeted, random=True),
    Method("square", run_square, random=True),
    Method("fab", run_fab),
]
