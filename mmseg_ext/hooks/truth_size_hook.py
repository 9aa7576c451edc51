"""Stops a test whose truth has another size than what is predicted."""

from collections.abc import Iterator
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class TruthSizeHook(Hook):
    """Compares each truth with the image it belongs to, before the network sees the batch.

    Predictions have the size of the image as it was read. A truth that went through ``Resize``
    with the image has another, and cannot be compared.

    Raises:
        UsageError: The image, both sizes, and the way out.
    """

    def before_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Looks at the batch, the first before any step."""
        for sample in _samples_in((data_batch or {}).get('data_samples')):
            size = sample.metainfo.get('ori_shape')
            if size is None or 'gt_sem_seg' not in sample:
                continue
            truth = sample.gt_sem_seg.shape
            if tuple(truth) != tuple(size[:2]):
                raise UsageError(
                    f'{Path(sample.img_path)}: its truth is {truth[1]}x{truth[0]}, its prediction '
                    f'will be {size[1]}x{size[0]}; put LoadAnnotations after Resize, and after all '
                    'that changes the size, in test_dataloader.dataset.pipeline'
                )


def _samples_in(node) -> Iterator[SegDataSample]:
    """The samples of a batch, which for TTA is a list of the views of each image."""
    if isinstance(node, SegDataSample):
        yield node
    elif isinstance(node, (list, tuple)):
        for part in node:
            yield from _samples_in(part)
