"""A page on this machine to try the methods on a picture of your own: classes, maps, fooling, style, captions, digits.

Drop a picture and see what a network takes it for, which pixels decide it by several methods side by side, how it is
fooled step by step, what a class looks like to it, a caption with where each word was looked for, the picture in the
manner of another as it is painted, and a generator's images as sliders move through its latents. Runs can be cancelled.

Needs Gradio: pip install "jaxvision[studio]". The page is served to this machine alone unless --host says otherwise,
and neither it nor the server asks any other machine for anything, but for weights that --weights auto may download.
Ctrl-C ends it. Pictures are kept in a temporary folder until then.
"""

import importlib
import os
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import captioner_files, studio_page
from experiments.command import command
from experiments.inputs import require_number
from experiments.networks import load_network
from jaxvision.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Config:
    """The settings."""

    host: str = "127.0.0.1"
    """the address to serve at; 0.0.0.0 serves everyone who can reach this machine"""
    port: int = 7860
    """the port to serve at; 0 for any that is free"""
    weights: str = "auto"
    """the classifier: auto, imagenet, scenes, or a safetensors file with torchvision's parameter names"""
    captioner: Path = captioner_files.EMBEDDED
    """what describes: a file that python -m experiments.caption --export wrote"""
    megabytes: int = 20
    """largest upload"""
    seconds: float = 120.0
    """a run may take; it then ends with what it has"""


def main(config: Config) -> None:
    """Serves the page until Ctrl-C.

    Args:
        config: the settings.

    Raises:
        InputError: if Gradio is not installed, the address cannot be had, or weights or captioner cannot be used.
    """
    require_number(config, "megabytes", at_least=1)
    require_number(config, "seconds", above=0)
    gradio = load_gradio()
    with listening(config.host, config.port) as door, tempfile.TemporaryDirectory() as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        network = load_network(config.weights)
        captioner = captioner_files.load_captioner(config.captioner)
        if captioner.encoder.features_fn is None:
            raise InputError(
                f"{config.captioner} was trained on the course's features, which come without their network: "
                "choose another --captioner"
            )
        page = studio_page.page(gradio, network, captioner, seconds=config.seconds)
        print(network.note)
        shown = f"[{config.host}]" if ":" in config.host else config.host
        print(f"Studio: http://{shown}:{door.getsockname()[1]} (Ctrl-C ends it)", flush=True)
        if config.host not in LOOPBACK:
            print("Everyone who can reach this address can use the page: there is no password.", file=sys.stderr)
        serve(gradio, page, door, megabytes=config.megabytes)


def load_gradio() -> Any:
    """Gradio, told to report to nobody.

    Raises:
        InputError: if it is not installed.
    """
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
    try:
        return importlib.import_module("gradio")
    except ModuleNotFoundError as error:
        raise InputError('the studio needs Gradio, which is not installed: pip install "jaxvision[studio]"') from error


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens at an address.

    Raises:
        InputError: if the address cannot be had.

    Example:
        >>> with listening("127.0.0.1", 0) as door:
        ...     listening("127.0.0.1", door.getsockname()[1])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        jaxvision.errors.InputError: cannot serve at 127.0.0.1, port ...: choose another --port or --host
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise InputError(f"cannot serve at {host}, port {port} ({reason}): choose another --port or --host") from error


def serve(gradio: Any, page: Any, door: socket.socket, *, megabytes: int) -> None:
    """Answers at a socket until Ctrl-C; the browser is told to ask nobody else."""
    fastapi, uvicorn = importlib.import_module("fastapi"), importlib.import_module("uvicorn")
    app = fastapi.FastAPI(openapi_url=None)

    @app.middleware("http")
    async def alone(request: Any, call_next: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
        answer = await call_next(request)
        answer.headers["Content-Security-Policy"] = studio_page.NOBODY_ELSE
        return answer

    app = gradio.mount_gradio_app(
        app,
        page,
        path="/",
        max_file_size=megabytes * 2**20,
        footer_links=[],
        theme=studio_page.theme(gradio),
        css=studio_page.CSS,
    )
    settings = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    try:
        uvicorn.Server(settings).run(sockets=[door])
    except KeyboardInterrupt:
        print("\nThe studio is closed.")


if __name__ == "__main__":
    command(main, Config)
