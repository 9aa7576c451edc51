"""What would help a run whose network waits for data, measured on its own samples."""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .chains import Chain, one_core
from .data import CACHED, DEFERRED, FAST, spellings

SECONDS = 2.0  # that the measurement may take, but for the image that is under way then
IMAGES = 8
AS_IT_IS = 'this pipeline'
NAMES = {
    FAST: 'its fast spelling',
    DEFERRED: 'that, colours and flip on the device',
    CACHED: 'that, from a decoded cache',
}
GAIN = 1.1  # times as fast as this pipeline that another has to be to be named


@dataclass(frozen=True)
class Loading:
    """How a run loads.

    Attributes:
        wait: Seconds of a step in which this process waited for data.
        step: Seconds of a step, waiting included.
        batch_size: Of this process.
        num_workers: Of this process.
        cores: That this process may use.
    """

    wait: float
    step: float
    batch_size: int
    num_workers: int
    cores: int

    @property
    def share(self) -> float:
        """The share of waiting."""
        return self.wait / self.step

    @property
    def wanted(self) -> float:
        """Images a second that the network would take."""
        # a step without any waiting is shorter than a clock's tick in a toy alone
        return self.batch_size / max(self.step - self.wait, 1e-3)


def measure(pipeline: Sequence[dict], infos: Sequence[dict]) -> dict[str, float]:
    """Images a second that one process loads, by spelling of its pipeline.

    By the clock on the wall, as a slow disk is part of it. Random states stay as they are.

    Args:
        pipeline: Configs of the transforms.
        infos: What the dataset says about some samples.
    """
    rates: dict[str, float] = {}
    deadline = time.perf_counter() + SECONDS
    with one_core(), tempfile.TemporaryDirectory(prefix='advice-') as folder:
        written = {AS_IT_IS: list(pipeline), **spellings(pipeline, Path(folder) / 'cache')}
        wanted = {AS_IT_IS: AS_IT_IS, **NAMES}
        for number, (kind, name) in enumerate(wanted.items()):
            left = deadline - time.perf_counter()
            if left <= 0:
                break
            rates[name] = _rate(Chain(written[kind], infos), left / (len(wanted) - number))
    return rates


def describe(loading: Loading, rates: dict[str, float]) -> str:
    """Says what a run waits for, and what would help.

    Args:
        loading: How it loads.
        rates: From ``measure``; empty if nothing could be measured.
    """
    milliseconds = f'{1000 * loading.wait:.0f} of {1000 * loading.step:.0f} ms'
    lines = [
        f'{loading.share:.0%} of a step, {milliseconds}, is waiting for data: the network would '
        f'take {loading.wanted:.0f} images a second, it gets '
        f'{loading.batch_size / loading.step:.0f}, with num_workers={loading.num_workers} and '
        f'{loading.cores} cores for this process'
    ]
    own = rates.get(AS_IT_IS)
    if own is None:
        return f'{lines[0]}; more num_workers help while there are idle cores'
    lines.append(f'images a second of one worker, on {IMAGES} samples of this run at most:')
    for name, rate in rates.items():
        if name == AS_IT_IS or rate > GAIN * own:
            workers = math.ceil(loading.wanted / rate)
            enough = f'enough with num_workers={workers}'
            if workers > loading.cores:
                enough = f'would take {workers} workers: more than cores'
            lines.append(f'  {name:<37} {rate:7.0f}   {enough}')
    lines.append(
        'python tools/analysis_tools/benchmark.py data CONFIG --show-config writes these pipelines'
    )
    return '\n'.join(lines)


def _rate(chain: Chain, seconds: float) -> float:
    """Images a second of a chain, after one round that fills tables and caches."""
    began = time.perf_counter()
    for index in range(len(chain)):
        chain.load(index)
        if time.perf_counter() - began > seconds / 2:
            break
    first, count = time.perf_counter() - began, index + 1
    if first > seconds:  # no time for a second round
        return count / first
    began, loaded = time.perf_counter(), 0
    while loaded < count and time.perf_counter() - began < seconds / 2:
        chain.load(loaded)
        loaded += 1
    return loaded / (time.perf_counter() - began)
