"""A sheet of validation pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample

from mmseg_ext.records.pictures import Picture, draw_sheet, read_picture
from mmseg_ext.registry import HOOKS

from .or_warn import or_warn


@HOOKS.register_module()
class ValSheetHook(Hook):
    """Draws the same few validation images after every validation to ``val_sheet.png``.

    Each row shows image, truth and prediction in the data set's palette. The images are spread
    evenly over those that the main process evaluates.

    Args:
        num_images: Rows of the sheet, at least 1.

    Raises:
        ValueError: ``num_images`` is less than 1.
    """

    priority = 'LOW'

    def __init__(self, num_images: int = 6):
        if num_images < 1:
            raise ValueError(f'ValSheetHook needs num_images >= 1, got {num_images}')
        self.num_images = num_images
        self.pictures: list[Picture] = []

    def before_val_epoch(self, runner: Runner) -> None:
        """Chooses the batches that the sheet shows."""
        self.pictures = []
        batches = len(runner.val_dataloader)
        self.batches = set(np.linspace(0, batches - 1, self.num_images).round().astype(int))

    @or_warn
    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Keeps the first image of a chosen batch."""
        if is_main_process() and batch_idx in self.batches and outputs:
            self.pictures.append(read_picture(outputs[0]))

    @master_only
    @or_warn
    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Draws the sheet."""
        if not self.pictures:
            return
        meta = runner.val_dataloader.dataset.metainfo
        done = f'epoch {runner.epoch}, iteration {runner.iter}'
        # the terms of a validation loss have a dot, and are many
        shown = {name: value for name, value in (metrics or {}).items() if '.' not in name}
        score = ', '.join(f'{name} {value:.2f}' for name, value in shown.items())
        draw_sheet(
            Path(runner.work_dir) / 'val_sheet.png',
            self.pictures,
            meta['classes'],
            meta['palette'],
            title=f'{done}: {score}',
        )
