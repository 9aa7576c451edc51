"""Training pipelines of MMSegmentation beside their fast spelling, on one core."""

import copy
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from mmseg_ext.engine import preflight
from mmseg_ext.engine.config import complete_config, load_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms.fast_chain import to_fast, to_stock

from .chains import Chain, one_core, time_chains
from .report import describe_machine

STOCK, FAST = 'stock', 'fast'
DEFERRED = 'fast, colours and flip on the device'
CACHED = 'that, from the decoded cache'
LOAD, DISTORT = 'LoadImageFromFile', 'PhotoMetricDistortion'
MAX_GB = 10  # of the decoded cache; 64 images of 50 megapixels
SIDE = 512  # of the images that the distortion alone is timed on
# SegFormer's on ADE20K, in MMSegmentation
ADE20K = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]


def spellings(pipeline: Sequence[dict], cache: Path | None = None) -> dict[str, list[dict]]:
    """A training pipeline by what does its work: stock, ours, ours with less and less on the CPU.

    Args:
        pipeline: In any of the spellings.
        cache: Folder for the decoded cache; None leaves that one out.
    """
    stock = to_stock(pipeline)
    found = {STOCK: stock, FAST: to_fast(stock), DEFERRED: to_fast(stock, on_device=True)}
    if cache:
        found[CACHED] = to_fast(stock, on_device=True, cache=dict(dir=str(cache), max_gb=MAX_GB))
    return found


def find_samples(config: str, options: dict, number: int) -> tuple[list[dict], list[dict]]:
    """The training pipeline of a config, and samples spread evenly over its data.

    Of several datasets those count that have the pipeline of the first.

    Returns:
        Configs of the transforms; what the datasets say about each sample.

    Raises:
        UsageError: The config does not load, or its data cannot be read here.
    """
    cfg = load_config(config, options)
    complete_config(cfg)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    preflight.check_types(cfg)
    if not cfg.get('train_dataloader'):
        raise UsageError(f'{config} has no train_dataloader')
    nodes = [
        (path, node)
        for path, node in preflight.find_datasets('train', cfg.train_dataloader.dataset)
        if node.get('pipeline') and not preflight.is_remote(node)
    ]
    if not nodes:
        raise UsageError(f'{config} has no training data with a pipeline on this machine')
    pipeline = nodes[0][1]['pipeline']
    built = [
        preflight.build_dataset(path, node) for path, node in nodes if node['pipeline'] == pipeline
    ]
    places = [(dataset, index) for dataset in built for index in range(len(dataset))]
    chosen = np.linspace(0, len(places) - 1, min(number, len(places))).round().astype(int)
    infos = [dataset.get_data_info(index) for dataset, index in (places[i] for i in chosen)]
    return [dict(step) for step in pipeline], infos


def compare(pipeline: Sequence[dict], infos: Sequence[dict], repeats: int, cache: Path) -> dict:
    """Times a training pipeline in each spelling, and its slowest pieces alone.

    Seconds are those that this thread's core worked: what else runs on the machine, and waiting for
    a disk, do not count.

    Args:
        pipeline: Configs of the transforms, in any spelling.
        infos: What a dataset says about each sample.
        repeats: Rounds; of each sample the fastest counts.
        cache: Empty folder for the decoded cache.

    Returns:
        ``chains``, by spelling: ``pipeline``; ``images_per_second`` of one core; ``milliseconds``
        of an image; ``speed``, how many times as fast as stock; ``stages`` with ``name``,
        ``milliseconds`` and ``share`` of each transform. ``alone``, by transform: the milliseconds
        of ``stock`` and ``fast``, and ``speed``. The number of images, and the machine.
    """
    init_default_scope('mmseg')
    written = spellings(pipeline, cache)
    shown = spellings(pipeline, Path('FOLDER'))
    chains = {name: Chain(steps, infos, time.thread_time) for name, steps in written.items()}
    pieces = _pieces(written, infos)
    with one_core():
        seconds = time_chains({**chains, **pieces}, repeats)
    stock = seconds[STOCK].sum()
    alone = {}
    for name in dict.fromkeys(name for name, _ in pieces):
        slow, fast = (float(seconds[name, kind].sum()) for kind in (STOCK, FAST))
        alone[name] = dict(stock=1000 * slow, fast=1000 * fast, speed=slow / fast)
    return dict(
        benchmark='data',
        images=len(infos),
        repeats=repeats,
        chains={
            name: dict(
                pipeline=shown[name],
                images_per_second=float(1 / seconds[name].sum()),
                milliseconds=float(1000 * seconds[name].sum()),
                speed=float(stock / seconds[name].sum()),
                stages=[
                    dict(
                        name=stage,
                        milliseconds=float(1000 * each),
                        share=float(each / seconds[name].sum()),
                    )
                    for stage, each in zip(chain.names, seconds[name], strict=True)
                ],
            )
            for name, chain in chains.items()
        },
        alone=alone,
        machine=describe_machine('opencv-python', 'simplejpeg', 'PyTurboJPEG'),
    )


def _pieces(written: dict[str, list[dict]], infos: Sequence[dict]) -> dict[tuple[str, str], Chain]:
    """Decoding and the photometric distortion by themselves: by transform and spelling."""
    pieces = {}
    for kind in (STOCK, FAST):
        for step in written[kind]:
            name = str(step['type']).rpartition('.')[2]
            if name == LOAD:
                pieces[name, kind] = Chain([step], infos, time.thread_time)
                load = Compose([step])
                images = [load(copy.deepcopy(info))['img'] for info in infos[:16]]
            elif name == DISTORT:
                crops = [dict(img=cv2.resize(image, (SIDE, SIDE))) for image in images]
                pieces[name, kind] = Chain([step], crops, time.thread_time)
    return {key: chain for key, chain in pieces.items() if (key[0], FAST) in pieces}
