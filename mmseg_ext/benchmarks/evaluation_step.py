"""Evaluation of one image after the network, in a process of its own."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.models import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_ext.metrics.functional import confusion_matrix
from mmseg_ext.models.segmentors.encoder_decoder import window_slices

from .commands import Timing
from .peak_memory import peak_memory

ROUND = 1.0  # seconds that a way is timed for in one round, and at least one image
STRIDE = 4  # of the network's logits
COARSE = 9, 12  # shapes along height and width of the image
RATIOS = (0.5, 1.0, 1.5)  # scales of TTA, each with its flip
TYPES = dict(
    stock=('mmseg.EncoderDecoder', 'mmseg.SegTTAModel'),
    mmseg_ext=('mmseg_ext.EncoderDecoder', 'mmseg_ext.SegTTAModel'),
)
SEGFORMER_B0 = dict(
    backbone=dict(
        type='MixVisionTransformer',
        in_channels=3,
        embed_dims=32,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
        patch_sizes=[7, 3, 3, 3],
        sr_ratios=[8, 4, 2, 1],
        qkv_bias=True,
    ),
    decode_head=dict(
        type='SegformerHead', in_channels=[32, 64, 160, 256], in_index=[0, 1, 2, 3], channels=256
    ),
)


@dataclass(frozen=True)
class Settings:
    """What is evaluated.

    Attributes:
        classes: C.
        size: Height and width of the image, which is the network's input too.
        device: 'cpu' or 'cuda'.
        threads: Of PyTorch, on the CPU.
        seed: Of the network, the image and the noise.
    """

    classes: int
    size: tuple[int, int]
    device: str
    threads: int
    seed: int = 0


class Replay(nn.Module):
    """Gives logits that were made before, in turn, so that the network is not timed.

    Args:
        logits: (1, C, h, w) of each call.
    """

    def __init__(self, logits: list[Tensor]):
        super().__init__()
        self.logits, self.calls = logits, 0

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """In place of a backbone, before a head that hands on what it gets."""
        self.calls += 1
        return [self.logits[(self.calls - 1) % len(self.logits)]]


def warm_up(way: str, settings: Settings) -> None:
    """Imports and starts what an evaluation needs, by one too small to count."""
    torch.set_num_threads(settings.threads)
    small = Settings(settings.classes, (64, 96), settings.device, settings.threads)
    make_step(way, small, 'whole', 'noise')()


def first_labels(way: str, settings: Settings, mode: str, kind: str) -> tuple[np.ndarray, int]:
    """Labels, (H, W), and the bytes that an evaluation needs for a while; None if not known."""
    step, found = make_step(way, settings, mode, kind), []
    peak = peak_memory(lambda: found.append(step()), settings.device)
    return found[0].cpu().numpy(), peak


def time_steps(way: str, settings: Settings, mode: str, kind: str) -> list[Timing]:
    """Times images for a second, at least one."""
    step, timings = make_step(way, settings, mode, kind), []
    while not timings or sum(timing.wall for timing in timings) < ROUND:
        cpu, start = time.process_time(), time.perf_counter()
        step()
        if settings.device == 'cuda':
            torch.cuda.synchronize()
        timings.append(Timing(time.perf_counter() - start, time.process_time() - cpu))
    return timings


@lru_cache(maxsize=1)
def make_step(way: str, settings: Settings, mode: str, kind: str) -> Callable[[], Tensor]:
    """Makes a function that finds the labels of an image from the network's logits, and counts.

    Args:
        way: Key of ``TYPES``.
        settings: Image and classes.
        mode: 'whole', 'slide' or 'tta'.
        kind: 'network' for a SegFormer-B0 with random weights, 'noise' for the worst case.

    Returns:
        The function; it returns labels, (H, W).
    """
    torch.manual_seed(settings.seed)
    crop = min(settings.size)
    test_cfg = dict(mode='whole')
    if mode == 'slide':
        # overlapping by a third, as in MMSegmentation's configs
        test_cfg = dict(mode='slide', crop_size=(crop, crop), stride=(max(1, crop * 2 // 3),) * 2)
    segmentor = _build(way, settings, test_cfg)
    # coarse shapes with soft borders: what a photograph is to a network, noise is not
    shapes = 255 * torch.rand(1, 3, *COARSE)
    image = F.interpolate(shapes, settings.size, mode='bilinear')[0].to(torch.uint8)
    views = _views(image) if mode == 'tta' else [(image, 1.0, False)]
    _replay(segmentor, [view[0] for view in views], kind, settings.device)
    label = torch.randint(0, settings.classes, (1, *settings.size), device=settings.device)
    evaluated = segmentor
    if mode == 'tta':
        with DefaultScope.overwrite_default_scope('mmseg'):
            evaluated = MODELS.build(ConfigDict(type=TYPES[way][1], module=segmentor))
        evaluated.to(settings.device)

    @torch.no_grad()
    def step() -> Tensor:
        samples = [_sample(label, *view) for view in views]
        if mode == 'tta':
            inputs = [[view[0]] for view in views]
            data = dict(inputs=inputs, data_samples=[[sample] for sample in samples])
            (predicted,) = evaluated.test_step(data)
        else:
            inputs = torch.empty(1, 3, *settings.size, device=settings.device)
            (predicted,) = evaluated.predict(inputs, samples)
        labels = predicted.pred_sem_seg.data.squeeze(0)
        count = confusion_matrix if way == 'mmseg_ext' else IoUMetric.intersect_and_union
        count(labels, label.squeeze(0), settings.classes, 255)
        return labels

    return step


def _build(way: str, settings: Settings, test_cfg: dict) -> BaseSegmentor:
    head = dict(SEGFORMER_B0['decode_head'], num_classes=settings.classes)
    cfg = dict(
        SEGFORMER_B0,
        type=TYPES[way][0],
        decode_head=head,
        data_preprocessor=dict(type='mmseg_ext.SegDataPreProcessor'),
        test_cfg=test_cfg,
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        segmentor = MODELS.build(ConfigDict(cfg))
    # as initialised, the network would find one class or two
    nn.init.normal_(segmentor.decode_head.conv_seg.weight)
    return segmentor.eval().to(settings.device)


def _views(image: Tensor) -> list[tuple[Tensor, float, bool]]:
    """The image in every scale, plain and flipped, with scale and flip."""
    views = []
    for ratio in RATIOS:
        scaled = F.interpolate(image[None].float(), scale_factor=ratio)[0].to(torch.uint8)
        views += [(scaled, ratio, False), (scaled.flip(2), ratio, True)]
    return views


@torch.no_grad()
def _replay(segmentor: BaseSegmentor, images: list[Tensor], kind: str, device: str) -> None:
    """Runs the network, or draws noise, and lets the segmentor replay that."""
    made, settings = [], segmentor.test_cfg
    for image in images:
        crops = [image]
        if settings.mode == 'slide':
            (height, width), (down, right) = settings.crop_size, settings.stride
            crops = [
                image[:, rows, columns]
                for rows in window_slices(image.shape[1], height, down)
                for columns in window_slices(image.shape[2], width, right)
            ]
        for crop in crops:
            if kind == 'network':
                inputs = (crop[None].float().to(device) - 128) / 64
                made.append(segmentor.decode_head(segmentor.backbone(inputs)))
            else:
                size = [-(-side // STRIDE) for side in crop.shape[1:]]
                made.append(torch.randn(1, segmentor.num_classes, *size).to(device))
    segmentor.backbone = Replay(made)
    segmentor.decode_head.forward = lambda features: features[0]


def _sample(label: Tensor, image: Tensor, ratio: float, flip: bool) -> SegDataSample:
    size = tuple(image.shape[1:])
    metainfo = dict(
        img_path='image.jpg',
        ori_shape=tuple(label.shape[1:]),
        img_shape=size,
        pad_shape=size,
        scale_factor=(ratio, ratio),
        flip=flip,
        flip_direction='horizontal' if flip else None,
    )
    return SegDataSample(metainfo=metainfo, gt_sem_seg=PixelData(data=label))
