"""The studio's page: which controls there are, and which of `studio_rooms` each of them runs."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments import generator_files, studio_rooms
from experiments.attribution_methods import METHODS
from experiments.captioner_files import TrainedCaptioner
from experiments.figures import short_name
from experiments.inputs import load_inputs
from experiments.networks import Network
from experiments.studio_rooms import DIRECTIONS, Moment, Picture
from experiments.style_pictures import style_files
from jaxvision.data import read_image
from jaxvision.errors import InputError

SIDE_BY_SIDE = ("saliency", "smoothgrad", "integrated_gradients", "guided_backprop", "grad_cam", "occlusion")
REACH = 4.0  # of a slider to either side, a latent of 96 numbers has a length of about 5.7
# Scripts and styles stand in the page itself; nothing is loaded from or sent to another machine.
NOBODY_ELSE = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; frame-ancestors 'self'"
CSS = """
.gradio-container {width: 100% !important; max-width: 1100px !important; margin: auto}
.status {min-height: 2.2em}
@media (max-width: 600px) {.grid-container {grid-template-columns: 1fr 1fr !important}}
"""


def theme(gradio: Any) -> Any:
    """Gradio's plain look in the system's own fonts: none is fetched."""
    return gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def page(gradio: Any, network: Network, captioner: TrainedCaptioner, *, seconds: float) -> Any:
    """The whole page.

    Args:
        gradio: the module.
        network: the classifier that the rooms look through.
        captioner: which describes.
        seconds: a run may take.

    Returns:
        Gradio's Blocks.
    """
    generator = functools.cache(lambda: generator_files.load_generator(generator_files.EMBEDDED))
    names = [short_name(name, 40) for name in network.class_names]
    choices = [(f"{i}  {name}", str(i)) for i, name in enumerate(names)]
    sample = _sample(network)
    wire = functools.partial(_run, gradio, seconds=seconds)
    with gradio.Blocks(title="jaxvision studio", analytics_enabled=False) as blocks:
        gradio.Markdown(f"# jaxvision studio\n{network.note}")
        picture = gradio.State(sample)
        with gradio.Row():
            upload = gradio.File(label="Your picture", height=240, elem_id="upload")
            shown = gradio.Image(
                studio_rooms.enlarged(sample),
                label="Picture",
                interactive=False,
                buttons=[],
                height=240,
                elem_id="picture",
            )
            answer = gradio.Label(studio_rooms.classes(network, sample), label="Classes", elem_id="classes")
        said = gradio.Markdown("A sample is shown until you choose a picture.", elem_id="upload-status")
        upload.upload(
            functools.partial(_taken, network),
            [upload, picture],
            [upload, picture, shown, answer, said],
            concurrency_id="one",
            show_progress="hidden",
        )
        with gradio.Tab("Which pixels"):
            methods = gradio.CheckboxGroup(
                [(name.replace("_", " "), name) for name in METHODS], value=list(SIDE_BY_SIDE), label="Methods"
            )
            wire("maps", "Look", lambda now, chosen: studio_rooms.maps(network, now, chosen), [picture, methods], 4)
        with gradio.Tab("Fool"):
            target = gradio.Dropdown([("the likeliest but one", ""), *choices], value="", label="To be taken for")
            wire("fooling", "Fool", lambda now, goal: studio_rooms.fooling(network, now, goal), [picture, target], 2)
        with gradio.Tab("Style"):
            manner = gradio.File(label="The manner of this picture; none: a stained tissue", height=160)
            steps = gradio.Slider(10, 400, 200, step=10, label="Steps")
            wire("style", "Paint", functools.partial(_painted, network), [picture, manner, steps], 1)
        with gradio.Tab("Caption"):
            wire("caption", "Describe", lambda now: iter([studio_rooms.caption(captioner, now)]), [picture], 4)
        with gradio.Tab("Draw a class"):
            drawn = gradio.Dropdown(choices, value=choices[0][1], label="Class")
            wire("drawing", "Draw", lambda goal: studio_rooms.drawing(network, goal), [drawn], 1)
        with gradio.Tab("Generate"):
            _sliders(gradio, generator)
    return blocks.queue(default_concurrency_limit=1, max_size=16)


def _run(
    gradio: Any,
    name: str,
    verb: str,
    room: Callable[..., Iterator[Moment]],
    inputs: list[Any],
    columns: int,
    *,
    seconds: float,
) -> None:
    """A button that runs a room, one that cancels it, a line of status and the pictures."""
    with gradio.Row():
        begin = gradio.Button(verb, variant="primary", elem_id=f"{name}-run")
        cancel = gradio.Button("Cancel", elem_id=f"{name}-cancel")
    status = gradio.Markdown(elem_id=f"{name}-status", elem_classes="status")
    gallery = gradio.Gallery(
        label="Pictures", columns=columns, height="auto", object_fit="contain", elem_id=f"{name}-pictures"
    )

    def moments(*given: Any) -> Iterator[tuple[Any, str]]:
        yield gradio.skip(), "Working; the first picture takes longest"
        try:
            for moment in studio_rooms.within(seconds, room(*given)):
                yield list(moment.pictures), moment.words
        except (InputError, FloatingPointError) as error:
            yield gradio.skip(), f"{error}."

    running = begin.click(moments, inputs, [gallery, status], concurrency_id="one", show_progress="hidden")
    ending = cancel.click(lambda: "Ending the run.", None, status, cancels=[running], queue=False)
    # In the queue of the runs, so that it is said after a run's last moment.
    ending.then(lambda: "Cancelled.", None, status, concurrency_id="one", show_progress="hidden")


def _taken(network: Network, path: str | None, before: Picture) -> tuple[Any, ...]:
    """An upload in place of the picture before it, or why not; the drop zone is empty for the next one."""
    try:
        now, words = studio_rooms.opened(str(path)), ""
    except InputError as error:
        now, words = before, f"{error}. The picture before is kept."
    return None, now, studio_rooms.enlarged(now), studio_rooms.classes(network, now), words


def _painted(network: Network, content: Picture, manner: str | None, n_steps: float) -> Iterator[Moment]:
    style = studio_rooms.opened(manner) if manner else read_image(style_files(())[0])
    return studio_rooms.painting(network, content, style, n_steps=int(n_steps))


def _sliders(gradio: Any, generator: Callable[[], Any]) -> None:
    """A seed and a slider for each direction; the images follow."""
    with gradio.Row():
        with gradio.Column():
            seed = gradio.Slider(0, 99, 0, step=1, label="Seed")
            along = [
                gradio.Slider(-REACH, REACH, 0.0, step=0.25, label=f"Direction {k}") for k in range(1, DIRECTIONS + 1)
            ]
            draw = gradio.Button("Generate", variant="primary", elem_id="generator-run")
        sheet = gradio.Image(label="Images", interactive=False, buttons=[], elem_id="generator-pictures")

    def images(number: float, *lengths: float) -> Picture:
        return studio_rooms.samples(generator(), int(number), lengths)

    for event in (draw.click, *(slider.release for slider in (seed, *along))):
        event(images, [seed, *along], sheet, concurrency_id="one", show_progress="hidden", trigger_mode="always_last")


def _sample(network: Network) -> Picture:
    """What is looked at before anything was uploaded."""
    return np.round(255 * load_inputs(network, (), n_samples=1, seed=0).images[0]).astype(np.uint8)
