"""The training loop, checkpoints that are checked byte for byte, and run directories.

`fit(step_fn, state, batch_fn, n_steps=...)` is the loop for every network here; `gradient_step` makes the step of those
with one loss, `classification_loss` and `score` are a classifier's, and `adversarial_loss` attacks each batch first.
`new_run` and `resumed_run` open the folder that metrics, checkpoints and results go to. Ctrl-C and SIGTERM end `fit`
with a checkpoint; a loop of your own has `stoppable` for that. `Layout`, `placed` and `divided` spread a training over
devices, `join` over hosts; step and losses stay those of one device.
"""

from jaxvision.training import checkpoints
from jaxvision.training.adversarial import adversarial_loss
from jaxvision.training.averaging import AverageState, averaged, weight_average
from jaxvision.training.classification import Score, classification_loss, score
from jaxvision.training.hosts import by_first, is_first, join
from jaxvision.training.loop import TrainState, fit, gradient_step, start
from jaxvision.training.meshes import Layout, divided, gathered, large_weights, named_mesh, placed
from jaxvision.training.opening import FREE, new_run, resumed_run
from jaxvision.training.order import shuffled
from jaxvision.training.progress import progress
from jaxvision.training.runs import Run
from jaxvision.training.stopping import Preempted, preemptible, stoppable

__all__ = [
    "FREE",
    "AverageState",
    "Layout",
    "Preempted",
    "Run",
    "Score",
    "TrainState",
    "adversarial_loss",
    "averaged",
    "by_first",
    "checkpoints",
    "classification_loss",
    "divided",
    "fit",
    "gathered",
    "gradient_step",
    "is_first",
    "join",
    "large_weights",
    "named_mesh",
    "new_run",
    "placed",
    "preemptible",
    "progress",
    "resumed_run",
    "score",
    "shuffled",
    "start",
    "stoppable",
    "weight_average",
]
