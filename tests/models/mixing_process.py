"""What one of several processes that train together mixes."""

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.utils.data import Dataset

from mmseg_ext.datasets import SeededDataset
from mmseg_ext.engine.runner import Runner
from mmseg_ext.models import SegDataPreProcessor

SIZE, BATCH = 96, 8


class Numbered(Dataset):
    """Images and labels of one value, the image's number."""

    metainfo = {}

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        sample = SegDataSample(
            gt_sem_seg=PixelData(data=torch.full((1, 8, 8), index, dtype=torch.uint8))
        )
        return dict(inputs=torch.full((1, 8, 8), index, dtype=torch.uint8), data_samples=sample)


def partners_of_a_process(rank, store):
    """Images of an epoch of two processes; places of the partners in each batch, in two ways.

    First with the draws of our loader, then without them, from a generator of one seed.
    """
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{store}', rank=rank, world_size=2
    )
    try:
        loader = Runner.build_dataloader(
            dict(
                dataset=SeededDataset(Numbered()),
                sampler=dict(type='DefaultSampler', shuffle=True),
                batch_size=BATCH,
                num_workers=0,
            ),
            seed=3,
        )
        augments = [dict(type='mmseg_ext.CutMix', prob=1.0)]
        preprocessor = SegDataPreProcessor(size_divisor=1, batch_augments=augments)
        images, with_draws, without = [], [], []
        torch.manual_seed(3)
        for batch in loader:
            numbers = [int(image[0, 0, 0]) for image in batch['inputs']]
            images += numbers
            with_draws.append(_shift(preprocessor, batch, numbers))
            for sample in batch['data_samples']:
                del sample.draw_seed
            without.append(_shift(preprocessor, batch, numbers))
        return images, with_draws, without
    finally:
        torch.distributed.destroy_process_group()


def _shift(preprocessor, batch, numbers):
    mixed = preprocessor(batch, training=True)['data_samples']
    shifts = {
        (index - numbers.index(int(value))) % BATCH
        for index, sample in enumerate(mixed)
        for value in sample.gt_sem_seg.data.unique()
    }
    (shift,) = shifts - {0}
    return shift
