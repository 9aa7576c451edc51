"""From inputs to a folder of predictions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mmseg_ext.datasets.bad_samples import NOT_OF_A_FILE
from mmseg_ext.engine.errors import UsageError, one_line
from mmseg_ext.records.background import Background

from .inputs import Input
from .outputs import Outputs, print_shares
from .segmenter import Prepared, Segmenter
from .video import segment_video

READERS = 4  # threads that decode and resize while the network runs
HELD = 4  # batches of images of rare sizes that may wait for more


def predict_inputs(
    segmenter: Segmenter,
    inputs: Sequence[Input],
    outputs: Outputs,
    console: Console,
    batch_size: int = 1,
    every: int = 1,
) -> list[str]:
    """Predicts images, then videos, with a progress bar and a table of the classes.

    Args:
        segmenter: The network.
        inputs: Images and videos.
        outputs: Where to.
        console: Where progress and tables go.
        batch_size: Images of one size a batch.
        every: Of videos, each so-many-th frame.

    Returns:
        For each input that could not be predicted, or not all of it, its file and why.
    """
    images = [source for source in inputs if not source.is_video]
    videos = [source for source in inputs if source.is_video]
    failures: list[str] = []
    writing = Background()
    try:
        with _progress(console) as progress:
            task = progress.add_task('images', total=len(images), visible=bool(images))
            loaded = _prepare(segmenter, images, failures)
            for batch in in_batches(loaded, batch_size):
                try:
                    labels = segmenter.segment([prepared for _, prepared in batch])
                except UsageError as error:
                    failures += [_name(source, error) for source, _ in batch]
                    continue
                for (source, prepared), label in zip(batch, labels, strict=True):
                    writing.submit(outputs.add, source, prepared.image, label)
                if writing.error is not None:  # a full disk, for one
                    break
                progress.update(task, completed=len(outputs.rows) + len(failures))
            writing.finish()
            progress.update(task, completed=len(images))
    finally:  # what an interrupted run has done counts
        writing.pool.shutdown()
        if images:
            outputs.write_shares(images)
    outputs.print_table(console)
    for source in videos:
        _predict_video(segmenter, source, outputs, console, batch_size, every, failures)
    return failures


def in_batches(
    loaded: Iterable[tuple[Input, Prepared]], batch_size: int
) -> Iterator[list[tuple[Input, Prepared]]]:
    """Yields images of one size together, without holding many back for that."""
    waiting: dict[Any, list] = {}
    for item in loaded:
        waiting.setdefault(item[1].size, []).append(item)
        size = item[1].size
        if len(waiting[size]) < batch_size:
            if sum(map(len, waiting.values())) <= HELD * batch_size:
                continue
            size = max(waiting, key=lambda key: len(waiting[key]))
        yield waiting.pop(size)
    yield from waiting.values()


def _prepare(
    segmenter: Segmenter, images: Sequence[Input], failures: list[str]
) -> Iterator[tuple[Input, Prepared]]:
    """Yields images as the network takes them, a few ahead; notes those that do not load."""
    queue: deque[tuple[Input, Future]] = deque()
    rest = iter(images)
    with ThreadPoolExecutor(READERS) as pool:
        while True:
            while len(queue) < 2 * READERS and (source := next(rest, None)) is not None:
                queue.append((source, pool.submit(segmenter.prepare, source.path)))
            if not queue:
                return
            source, future = queue.popleft()
            try:
                prepared = future.result()
            except NOT_OF_A_FILE:
                raise
            except Exception as error:  # decoders raise nearly anything
                failures.append(_name(source, error))
            else:
                yield source, prepared


def _predict_video(
    segmenter: Segmenter,
    source: Input,
    outputs: Outputs,
    console: Console,
    batch_size: int,
    every: int,
    failures: list[str],
) -> None:
    with _progress(console) as progress:
        task = progress.add_task(source.path.name, total=None)
        try:
            result = segment_video(
                segmenter,
                source,
                outputs,
                every,
                batch_size,
                lambda done, total: progress.update(task, completed=done, total=max(done, total)),
            )
        except UsageError as error:
            failures.append(_name(source, error))
            return
    if result.note:
        failures.append(result.note)
    pixels = np.full(len(result.shares), result.size[0] * result.size[1])
    print_shares(console, outputs.classes, result.shares, pixels, 'frames')


def _name(source: Input, error: Exception) -> str:
    said = one_line(error)
    return said if str(source.path) in said else f'{source.path}: {said}'


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
        console=console,
    )
