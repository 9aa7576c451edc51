"""Validations of random images by a toy segmentor; as a program, those of the second process."""

import sys
from datetime import timedelta
from types import SimpleNamespace

import torch
from mmengine.dist import all_gather_object, is_distributed
from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, PixelData
from torch.utils.data import Dataset

from mmseg_ext.engine.loops import ValLoop
from mmseg_ext.metrics import SegMetrics

CLASSES = ('a', 'b', 'c')


class Images(Dataset):
    """Each of other pixels and of another number of valid ones."""

    metainfo = dict(classes=CLASSES)

    def __init__(self, size, truth=True):
        self.size, self.truth = size, truth

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        sample = BaseDataElement(metainfo=dict(img_path=f'{index}.jpg'))
        if self.truth:
            label = torch.randint(0, 3, (1, 4, 5), generator=generator)
            label[:, : index % 3] = 255
            sample.gt_sem_seg = PixelData(data=label)
        return dict(inputs=torch.randn(2, 4, 5, generator=generator), data_samples=sample)


class Segmentor(BaseModel):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(2, 3, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        logits = self.layer(torch.stack(list(inputs)))
        if mode == 'loss':
            label = torch.cat([sample.gt_sem_seg.data for sample in data_samples])
            loss = torch.nn.functional.cross_entropy(logits, label, ignore_index=255)
            right = (logits.argmax(1) == label)[label != 255].double().mean()
            return {'decode.loss_ce': loss, 'aux.loss_ce': 0.4 * loss, 'decode.acc_seg': right}
        for sample, label in zip(data_samples, logits.argmax(1), strict=True):
            sample.pred_sem_seg = PixelData(data=label[None])
        return data_samples


class OnePass(Segmentor):
    def predict_with_loss(self, inputs, data_samples):
        losses = [
            self(inputs[k : k + 1], data_samples[k : k + 1], mode='loss')
            for k in range(len(inputs))
        ]
        return self(inputs, data_samples, mode='predict'), losses


def make_loop(network, dataset, batch_size):
    """Our loop over a runner that is reduced to what the loop uses."""
    if is_distributed():
        network = MMDistributedDataParallel(network)
    runner = SimpleNamespace(
        model=network,
        visualizer=SimpleNamespace(),
        call_hook=lambda *args, **kwargs: None,
        build_dataloader=Runner.build_dataloader,
        seed=0,
        _randomness_cfg={},
    )
    loader = Runner.build_dataloader(
        dict(
            dataset=dataset,
            batch_size=batch_size,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
        )
    )
    return ValLoop(runner, loader, Evaluator([SegMetrics(iou_metrics=['mIoU', 'mFscore'])]))


def validate(network, dataset, batch_size=1):
    """Metrics of an evaluation, and what SegMetrics keeps of it in the main process."""
    loop = make_loop(network, dataset, batch_size)
    metrics, (kept,) = loop.run(), loop.evaluator.metrics
    confusion = None if kept.confusion is None else kept.confusion.tolist()
    return dict(metrics=metrics, means=kept.means, confusion=confusion)


def validate_all():
    """Validations of 7 images and of one, in every way."""
    return [
        validate(kind(), Images(size), batch_size)
        for size in (7, 1)
        for kind in (Segmentor, OnePass)
        for batch_size in (1, 2)
    ]


def validate_as(rank, store):
    """What ``validate_all`` gives in one of two processes, and the metrics of both."""
    torch.distributed.init_process_group(
        'gloo',
        init_method=f'file://{store}',
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=100),
    )
    try:
        results = validate_all()
        return results, all_gather_object([result['metrics'] for result in results])
    finally:
        torch.distributed.destroy_process_group()


if __name__ == '__main__':
    validate_as(1, sys.argv[1])
