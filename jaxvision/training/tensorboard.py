"""Scalars for TensorBoard, written in the caller's own thread.

The usual writers hand events to a thread and flush at exit; on a full disk both fail where nobody can catch it. Here a
failed write is an `OSError` of `write`, and nothing is left to be done later.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# protobuf makes its classes at import, unseen by pyright
from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import scalar


class EventFile:
    """An `events.out.tfevents.*` file in a folder; a new one each time a run is opened."""

    def __init__(self, folder: Path, *, purge_step: int):
        """Opens a file whose reader drops what earlier files hold from `purge_step` on."""
        path = folder / f"events.out.tfevents.{time.time_ns()}"
        self._records = RecordWriter(str(path))
        self._add(Event(wall_time=time.time(), file_version="brain.Event:2"))
        started = SessionLog(status=SessionLog.SessionStatus.START)
        self._add(Event(wall_time=time.time(), step=purge_step, session_log=started))

    def write(self, step: int, values: Mapping[str, float | int]) -> None:
        """Appends one step's values."""
        for name, value in values.items():
            self._add(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))

    def flush(self) -> None:
        """Hands what was written to the disk."""
        self._records.flush()

    def close(self) -> None:
        """Flushes and closes."""
        self._records.close()

    def _add(self, event: Any) -> None:
        self._records.write(event.SerializeToString())
