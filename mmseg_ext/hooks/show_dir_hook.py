"""One picture for every tested image."""

from collections.abc import Sequence
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample

from mmseg_ext.records.pictures import draw_sheet, read_picture
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class ShowDirHook(Hook):
    """Writes image, truth and prediction of every tested image, for ``tools/test.py --show-dir``.

    Args:
        out_dir: Folder of the pictures; made if needed.
    """

    def __init__(self, out_dir: str):
        self.out_dir = Path(out_dir)

    def before_test(self, runner: Runner) -> None:
        """Makes the folder."""
        self.out_dir.mkdir(parents=True, exist_ok=True)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Draws the batch."""
        meta = runner.test_dataloader.dataset.metainfo
        for sample in outputs or ():
            picture = read_picture(sample)
            path = self.out_dir / f'{Path(picture.name).stem}.png'
            draw_sheet(path, [picture], meta['classes'], meta['palette'])
