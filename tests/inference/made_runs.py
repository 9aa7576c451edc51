"""Folders of runs with a network that was never trained, and images for it."""

import copy

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.datasets import PascalVOCDataset
from mmseg.registry import MODELS

METAINFO = dict(PascalVOCDataset.METAINFO, reduce_zero_label=False, label_map=None)


def write_run(folder, config, meta=None, seed=0, **changes):
    """Writes config and best checkpoint; its labels vary from pixel to pixel."""
    init_default_scope('mmseg')
    folder.mkdir(parents=True)
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(changes)
    cfg.dump(folder / 'tiny.py')
    torch.manual_seed(seed)
    model = MODELS.build(copy.deepcopy(cfg.model))
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim > 1:
            tensor.normal_(0, 1.5 / tensor[0].numel() ** 0.5)
        elif 'conv_seg' in name:
            tensor.zero_()
    meta = dict(dataset_meta=METAINFO) if meta is None else meta
    file = folder / 'best_mIoU_epoch_2.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=meta), file)
    return folder


def make_image(seed=0, height=48, width=64):
    """Smooth noise, (H, W, 3), uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def write_video(path, frames, fps=10.0):
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def read_video(path):
    """Frames and rate."""
    video, frames = cv2.VideoCapture(str(path)), []
    while (frame := video.read()[1]) is not None:
        frames.append(frame)
    return frames, video.get(cv2.CAP_PROP_FPS)
