"""A video with the classes laid over its frames."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import mmcv
import numpy as np

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.records.files import replacing

from .inputs import Input
from .outputs import Outputs, write_csv, write_share
from .overlay import MAX_ENTRIES, add_legend_inside, blend, make_entries, to_rgb
from .segmenter import Segmenter

DEFAULT_FPS = 25.0  # where a file does not say


class VideoResult(NamedTuple):
    """What was made of a video.

    Attributes:
        shares: (frames, classes).
        size: Height and width of the frames.
        note: What is wrong with the video, or ''.
    """

    shares: np.ndarray
    size: tuple[int, int]
    note: str


def segment_video(
    segmenter: Segmenter,
    source: Input,
    outputs: Outputs,
    every: int,
    batch_size: int,
    advance: Callable,
) -> VideoResult:
    """Predicts frames; writes ``overlays/NAME.mp4`` and ``shares/NAME.csv``.

    Args:
        segmenter: The network.
        source: The video.
        outputs: Where to.
        every: Take each so-many-th frame. The overlay holds these alone, at a rate that makes it as
            long as the video.
        batch_size: Frames a batch.
        advance: Called with the number of frames of the video that were done, and their total.

    Raises:
        UsageError: The video does not open or has no frame, or no mp4 can be written here, or the
            disk is full.
        KeyboardInterrupt: After both files were written with the frames so far.
    """
    if not source.path.is_file():
        raise UsageError(f'{source.path} is no file')
    reader = mmcv.VideoReader(str(source.path), cache_capacity=1)
    fps = reader.fps if 0 < reader.fps < 1000 else DEFAULT_FPS
    first = reader.read()
    if first is None:
        raise UsageError(f'{source.path} is no video that OpenCV reads, or has no frame')
    shares, indices, stopped = [], [], None
    with _open_overlay(source, outputs, fps / every, first.shape[:2]) as write:
        try:
            for batch in _batches(first, reader, every, batch_size):
                labels = segmenter.predict_batch([frame for _, frame in batch])
                for (index, frame), label in zip(batch, labels, strict=True):
                    share = outputs.count(label)
                    write(frame, label, share)
                    indices.append(index)
                    shares.append(share)
                advance(reader.position, reader.frame_cnt)
            advance(reader.position, reader.frame_cnt)
        except KeyboardInterrupt as error:  # what is done is kept
            stopped = error
    path = outputs.out / 'shares' / f'{source.name}.csv'
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (
        (index, f'{index / fps:.3f}', *map(write_share, row))
        for index, row in zip(indices, shares, strict=True)
    )
    write_csv(path, ('frame', 'seconds', *outputs.classes), rows)
    if stopped is not None:
        raise stopped
    read, note = reader.position, ''
    # files that do not count their frames let OpenCV estimate
    if read < 0.99 * reader.frame_cnt - 1:
        note = f'{source.path} ends after {read} of the {reader.frame_cnt} frames that it announces'
    return VideoResult(np.array(shares), first.shape[:2], note)


def _batches(
    first: np.ndarray, reader: mmcv.VideoReader, every: int, batch_size: int
) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Yields index and frame of each so-many-th frame, in batches."""
    batch, index, frame = [], 0, first
    while frame is not None:
        if index % every == 0:
            batch.append((index, frame))
        if len(batch) == batch_size:
            yield batch
            batch = []
        index, frame = index + 1, reader.read()
    if batch:
        yield batch


@contextmanager
def _open_overlay(
    source: Input, outputs: Outputs, fps: float, size: tuple[int, int]
) -> Iterator[Callable]:
    """Gives what draws a frame into the overlay; nothing is written without overlays."""
    if not outputs.overlays:
        yield lambda frame, label, shares: None
        return
    target = outputs.out / 'overlays' / f'{source.name}.mp4'
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part:
        codec = cv2.VideoWriter_fourcc(*'mp4v')
        writer = cv2.VideoWriter(str(part), codec, fps, (size[1], size[0]))
        if not writer.isOpened():
            raise UsageError(
                f'OpenCV cannot write {target} of {size[1]} x {size[0]} at {fps:g} frames a '
                'second; --no-overlays writes the shares alone'
            )
        written = 0

        def write(*frame) -> None:
            nonlocal written
            writer.write(_draw(*frame, outputs))
            written += 1

        try:
            yield write
        finally:
            writer.release()
        # OpenCV says nothing of a disk that fills up
        whole = int(cv2.VideoCapture(str(part)).get(cv2.CAP_PROP_FRAME_COUNT))
        if whole < written:
            raise UsageError(
                f'{target} came out with {max(0, whole)} of {written} frames; is the disk full?'
            )


def _draw(frame: np.ndarray, label: np.ndarray, shares: np.ndarray, outputs: Outputs) -> np.ndarray:
    mixed = blend(to_rgb(frame), label, outputs.palette, outputs.alpha, outputs.shown)
    entries = make_entries(shares, outputs.classes, outputs.palette, outputs.shown)[:MAX_ENTRIES]
    # by class: an order by share would jump from frame to frame
    entries.sort(key=lambda entry: outputs.classes.index(entry.name))
    return np.ascontiguousarray(add_legend_inside(mixed, entries)[..., ::-1])
