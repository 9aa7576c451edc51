"""The data preprocessor against MMSegmentation's, and against the same work before packing."""

import copy
import multiprocessing
import warnings

import numpy as np
import pytest
import torch
from mixing_process import partners_of_a_process
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models import SegDataPreProcessor as StockSegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_ext.datasets import seeded_sampler
from mmseg_ext.datasets.seeded_sampler import SeededSampler
from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.preflight import check
from mmseg_ext.engine.runner import Runner
from mmseg_ext.models import SegDataPreProcessor
from mmseg_ext.models.data_preprocessors import seg_data_preprocessor
from mmseg_ext.transforms import Distortion
from mmseg_ext.transforms.colour_on_device import distort_batch

MEAN_STD = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
STOCK = dict(**MEAN_STD, bgr_to_rgb=True, pad_val=7, size=(40, 48))
SIZES = [(40, 48), (33, 48), (40, 31), (17, 20)]
FLIPS = dict(horizontal=1, vertical=0, diagonal=(0, 1))
DRAWS = [
    dict(flip='horizontal', colour=Distortion(12.5, 1.3, 0.7, 9, True)),
    dict(flip='vertical'),
    {},
    dict(flip='diagonal', colour=Distortion(saturation=1.4)),
]
CUTMIX = dict(type='mmseg_ext.CutMix', prob=1.0)
COPY_PASTE = dict(type='mmseg_ext.CopyPaste', prob=1.0, classes=[1, 2])
PRELOAD = ['mmseg.datasets', 'mmseg_ext.datasets', 'mmseg_ext.models']
MIXUP = dict(type='mmseg_ext.MixUp', prob=1.0, alpha=1.0)


def make_arrays(sizes=SIZES, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (*size, channels), dtype=np.uint8) for size in sizes]
    labels = [rng.choice([0, 1, 2, 3, 4, 255], size).astype(np.uint8) for size in sizes]
    return images, labels


def pack(images, labels, label_dtype=torch.int64, deferred=None, seeds=None, **more):
    """What a loader gives: channels-last views of images, as in mmseg_ext.PackSegInputs."""
    samples = []
    for index, label in enumerate(labels):
        data = PixelData(data=torch.from_numpy(label)[None].to(label_dtype))
        metainfo = dict(img_path=f'{index}.jpg')
        if deferred:
            metainfo['on_device'] = deferred[index]
        if seeds:
            metainfo['draw_seed'] = seeds[index]
        samples.append(SegDataSample(metainfo=metainfo, gt_sem_seg=data))
        for name, value in more.items():
            setattr(samples[-1], name, PixelData(data=data.data.to(value)))
    inputs = [torch.from_numpy(image).permute(2, 0, 1) for image in images]
    return dict(inputs=inputs, data_samples=samples)


def assert_same_batch(got, want, ignore=()):
    assert got['inputs'].dtype == want['inputs'].dtype and got['inputs'].is_contiguous()
    assert torch.equal(got['inputs'], want['inputs'])
    assert len(got['data_samples']) == len(want['data_samples'])
    for ours, stock in zip(got['data_samples'], want['data_samples'], strict=True):
        metainfo = {key: value for key, value in ours.metainfo.items() if key not in ignore}
        assert metainfo == stock.metainfo
        keys = sorted(ours.keys())
        assert keys == sorted(stock.keys())
        for key in keys:
            a, b = getattr(ours, key).data, getattr(stock, key).data
            assert a.dtype == b.dtype and torch.equal(a, b), key


@pytest.mark.parametrize('channels', [3, 1])
@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
@pytest.mark.parametrize('sizes', [SIZES, [(40, 48)] * 3, [(50, 60)] * 2])
@pytest.mark.parametrize(
    'settings',
    [
        STOCK,
        dict(STOCK, size=None, size_divisor=32, pad_val=-1.5, seg_pad_val=9),
        dict(size=(40, 48), rgb_to_bgr=True),
        dict(size_divisor=1),
        dict(mean=[100], std=[50.0], size_divisor=16),
    ],
)
def test_training_is_the_stock_classes(settings, sizes, dtype, channels):
    if sizes == [(50, 60)] * 2 and 'size' not in settings:
        pytest.skip('only a size can be too small')
    results = []
    for kind in (SegDataPreProcessor, StockSegDataPreProcessor):
        data = pack(*make_arrays(sizes, channels), gt_edge_map=torch.int64, gt_depth_map=torch.half)
        data['inputs'] = [image.to(dtype) for image in data['inputs']]
        results.append(kind(**settings)(data, training=True))
    assert_same_batch(*results)
    assert results[0]['data_samples'][0].gt_sem_seg.data.dtype == torch.int64


@pytest.mark.parametrize(
    'settings', [STOCK, dict(STOCK, test_cfg=dict(size_divisor=32)), dict(size_divisor=32)]
)
@pytest.mark.parametrize('dtype', [torch.uint8, torch.int64])
def test_testing_is_the_stock_classes(settings, dtype):
    results = [
        kind(**settings)(pack(*make_arrays([(33, 45)] * 2), dtype), training=False)
        for kind in (SegDataPreProcessor, StockSegDataPreProcessor)
    ]
    assert_same_batch(*results)
    without_labels = SegDataPreProcessor(**STOCK)(dict(inputs=[torch.ones(3, 4, 5)]))
    assert without_labels['inputs'].shape == (1, 3, 4, 5)


def test_labels_may_be_bytes():
    arrays = make_arrays()
    got = SegDataPreProcessor(**STOCK)(pack(*arrays, torch.uint8), training=True)
    want = StockSegDataPreProcessor(**STOCK)(pack(*arrays), training=True)
    assert_same_batch(got, want)


@pytest.mark.parametrize('sizes', [SIZES, [(40, 48)] * 4])
def test_deferred_work_equals_work_before_packing(sizes):
    images, labels = make_arrays(sizes)
    data = pack(images, labels, torch.uint8, DRAWS, gt_edge_map=torch.int64)
    kept = copy.deepcopy(data)
    got = SegDataPreProcessor(**STOCK)(data, training=True)

    for index, draw in enumerate(DRAWS):
        batch = torch.from_numpy(images[index]).permute(2, 0, 1)[None].float()
        batch = distort_batch(batch, [draw.get('colour')])
        images[index] = batch[0].permute(1, 2, 0).numpy().astype(np.uint8)
        if 'flip' in draw:
            axis = FLIPS[draw['flip']]
            images[index] = np.flip(images[index], axis).copy()
            labels[index] = np.flip(labels[index], axis).copy()
    work_done = pack(images, labels, gt_edge_map=torch.int64)
    want = StockSegDataPreProcessor(**STOCK)(work_done, training=True)
    assert_same_batch(got, want, ignore=['on_device'])

    for before, now in zip(kept['inputs'], data['inputs'], strict=True):
        assert torch.equal(before, now)
    for before, now in zip(kept['data_samples'], data['data_samples'], strict=True):
        assert before.metainfo == now.metainfo
        assert now.gt_sem_seg.data.dtype == torch.uint8
        assert torch.equal(before.gt_sem_seg.data, now.gt_sem_seg.data)


def test_deferred_work_is_refused_in_testing_and_where_it_is_unknown():
    images, labels = make_arrays()
    data = pack(images[:1], labels[:1], deferred=DRAWS[:1])
    with pytest.raises(ValueError, match='on_device=True out of the test pipeline'):
        SegDataPreProcessor(**STOCK)(data)
    data = pack(images[:1], labels[:1], deferred=[dict(shear=3, flip='vertical')])
    with pytest.raises(ValueError, match=r"on_device=\['shear'\]"):
        SegDataPreProcessor(**STOCK)(data, training=True)
    data = pack(*make_arrays(channels=4), deferred=DRAWS)
    with pytest.raises(ValueError, match=r'colours need images of \(N, 3'):
        SegDataPreProcessor(size=(40, 48))(data, training=True)


class Waits(TorchDispatchMode):
    """Finds operations for whose result the process would wait for a GPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()
        assert not any(word in name for word in ('_local_scalar_dense', 'nonzero', 'masked_sel'))
        if name.startswith('aten::index'):
            for index in args[1] if isinstance(args[1], (list, tuple)) else ():
                assert index is None or index.dtype != torch.bool, name
        if name == 'aten::_to_copy' and (kwargs or {}).get('device'):
            assert kwargs.get('non_blocking'), name
        return func(*args, **(kwargs or {}))


def seeds_of(epoch, number=4):
    return [(3, epoch, 0, index) for index in range(number)]


@pytest.mark.parametrize('last', [CUTMIX, MIXUP])
def test_nothing_waits_for_a_gpu(last):
    preprocessor = SegDataPreProcessor(**STOCK, batch_augments=[CUTMIX, COPY_PASTE, last])
    data = pack(*make_arrays(), torch.uint8, DRAWS, seeds_of(0))
    with Waits():
        preprocessor(data, training=True)
    with pytest.raises(AssertionError), Waits():
        torch.ones(1).item()


def mix(augments, seeds=None, num_images=4, preprocessor=None, **more):
    preprocessor = preprocessor or SegDataPreProcessor(**STOCK, batch_augments=augments)
    images, labels = make_arrays([(40, 48)] * num_images)
    return preprocessor(pack(images, labels, torch.uint8, seeds=seeds, **more), training=True)


def test_mixtures_come_in_order_and_reach_the_samples():
    plain = mix([])
    mixed = mix([CUTMIX, MIXUP], seeds_of(0))
    rng = np.random.default_rng([number for seed in seeds_of(0) for number in seed])
    label = torch.stack([sample.gt_sem_seg.data for sample in plain['data_samples']])
    augments = SegDataPreProcessor(size_divisor=1, batch_augments=[CUTMIX, MIXUP]).batch_augments
    cut = augments[0](plain['inputs'], label, rng)
    blend = augments[1](cut.inputs, cut.seg_label, rng)
    assert torch.equal(mixed['inputs'], blend.inputs)
    assert not torch.equal(mixed['inputs'], plain['inputs'])
    for index, sample in enumerate(mixed['data_samples']):
        assert torch.equal(sample.gt_sem_seg.data, blend.seg_label[index])
        assert torch.equal(sample.gt_sem_seg_partner.data, blend.partner_label[index])
        assert sample.mixup_ratio == blend.metainfo[index]['mixup_ratio']
        assert sample.cutmix_ratio == cut.metainfo[index]['cutmix_ratio']
        assert sample.gt_sem_seg.shape == (40, 48)


def test_testing_mixes_nothing():
    data = pack(*make_arrays([(40, 48)] * 2))
    settings = dict(STOCK, batch_augments=[CUTMIX])
    assert torch.equal(
        SegDataPreProcessor(**settings)(data)['inputs'],
        StockSegDataPreProcessor(**STOCK)(data)['inputs'],
    )


def test_the_draw_of_the_batch_decides():
    first, again, other = (mix([CUTMIX], seeds_of(epoch)) for epoch in (0, 0, 1))
    assert_same_batch(first, again)
    assert not torch.equal(first['inputs'], other['inputs'])


def test_without_draws_the_global_generator_decides():
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(mix([CUTMIX])['inputs'])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_without_draws_processes_of_one_seed_differ(monkeypatch):
    results = []
    for rank in range(2):
        torch.manual_seed(0)
        monkeypatch.setattr(seg_data_preprocessor, 'get_rank', lambda rank=rank: rank)
        results.append(mix([CUTMIX])['inputs'])
    assert not torch.equal(*results)


def test_two_processes_draw_different_partners(monkeypatch):
    shifts = []
    for rank in range(2):
        monkeypatch.setattr(seeded_sampler, 'get_dist_info', lambda rank=rank: (rank, 2))
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        draws = list(SeededSampler(range(64), dict(type='DefaultSampler', shuffle=True), seed=0))
        assert len(draws) == 32
        batches = [[draw.seed for draw in draws[at : at + 4]] for at in range(0, 32, 4)]
        mixed = [mix([CUTMIX], seeds)['data_samples'] for seeds in batches]
        shifts.append([[sample.cutmix_ratio for sample in samples] for samples in mixed])
    assert all(a != b for a, b in zip(*shifts, strict=True))


def test_a_last_batch_of_one_is_left_unmixed_but_not_every_batch():
    preprocessor = SegDataPreProcessor(**STOCK, batch_augments=[CUTMIX])
    mix([], preprocessor=preprocessor)
    plain = mix([], num_images=1)
    for _ in range(2):
        assert torch.equal(
            mix([], num_images=1, preprocessor=preprocessor)['inputs'], plain['inputs']
        )
    # a resumed epoch may have only its last batch left
    preprocessor = SegDataPreProcessor(**STOCK, batch_augments=[CUTMIX])
    mix([], num_images=1, preprocessor=preprocessor)
    with pytest.raises(ValueError, match=r'set train_dataloader\.batch_size to 2 or more'):
        mix([], num_images=1, preprocessor=preprocessor)


def test_mixup_must_be_last():
    with pytest.raises(ValueError, match='MixUp gives each pixel two labels.* put it last'):
        SegDataPreProcessor(size_divisor=1, batch_augments=[MIXUP, CUTMIX])


def test_other_labels_cannot_be_mixed():
    with pytest.raises(ValueError, match='but samples have gt_edge_map'):
        mix([CUTMIX], gt_edge_map=torch.int64)


PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(32, 32)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]


DEFERRED = [
    *PIPELINE[:3],
    dict(type='mmseg_ext.RandomFlip', prob=0.5),
    dict(type='mmseg_ext.PhotoMetricDistortion'),
    dict(type='mmseg_ext.PackSegInputs'),
]


@pytest.mark.parametrize('wrapper', ['ConcatDataset', 'RepeatDataset'])
def test_wrapped_datasets_are_mixed_and_have_their_work_done(tiny, wrapper):
    complete_config(tiny)
    settings = dict(tiny.model.data_preprocessor, type='mmseg_ext.SegDataPreProcessor')
    leaf, epochs = dict(tiny.train_dataloader.dataset), []
    for on_device, augments in ((True, [CUTMIX]), (False, [CUTMIX]), (True, [])):
        steps = [dict(step, on_device=on_device) for step in DEFERRED[3:5]]
        first = dict(leaf, pipeline=[*DEFERRED[:3], *steps, DEFERRED[5]], indices=8)
        tiny.train_dataloader.dataset = (
            dict(type=wrapper, datasets=[first, dict(first, indices=6)])
            if wrapper == 'ConcatDataset'
            else dict(type=wrapper, dataset=first, times=2)
        )
        tiny.model.data_preprocessor = dict(settings, batch_augments=augments)
        check(tiny)
        with DefaultScope.overwrite_default_scope('mmseg'):
            loader = Runner.build_dataloader(tiny.train_dataloader, seed=3)
            preprocessor = MODELS.build(tiny.model.data_preprocessor)
            epochs.append([preprocessor(batch, training=True) for batch in loader])
    sizes = [len(batch['inputs']) for batch in epochs[0]]
    assert sizes == ([8, 6] if wrapper == 'ConcatDataset' else [8, 8])
    flips, steps = 0, 3.01 / min(settings['std'])
    for later, now, unmixed in zip(*epochs, strict=True):
        # distorted in floats on the device, in bytes on the CPU
        assert (later['inputs'] - now['inputs']).abs().max() <= steps
        assert (later['inputs'] - unmixed['inputs']).abs().max() > 10 * steps
        for a, b, c in zip(*(each['data_samples'] for each in (later, now, unmixed)), strict=True):
            assert a.img_path == b.img_path and a.flip == b.flip == ('flip' in a.on_device)
            assert torch.equal(a.gt_sem_seg.data, b.gt_sem_seg.data)
            assert a.cutmix_ratio == b.cutmix_ratio and 'cutmix_ratio' not in c
            flips += a.flip
    assert 0 < flips < sum(sizes)


def test_two_real_processes_draw_different_partners(tmp_path):
    """Over gloo; with the draws of our loader, and without them, as under other Runners."""
    multiprocessing.set_forkserver_preload(PRELOAD)
    jobs = [(rank, str(tmp_path / 'store')) for rank in range(2)]
    with multiprocessing.get_context('forkserver').Pool(2) as pool:
        # a process that fails would leave the other waiting
        results = pool.starmap_async(partners_of_a_process, jobs, chunksize=1).get(timeout=100)
    (images, shifts, without), (other_images, other_shifts, other_without) = results
    assert len(shifts) == 6 and not {*images} & {*other_images}
    for mine, others in ((shifts, other_shifts), (without, other_without)):
        assert set(mine + others) <= set(range(1, 8))
        assert sum(a != b for a, b in zip(mine, others, strict=True)) >= 3


def test_the_epoch_is_the_same_with_any_number_of_workers(tiny):
    """Forkserver, because a fork of a process with threads may hang; it imports once for all."""
    multiprocessing.set_forkserver_preload(PRELOAD)
    complete_config(tiny)
    tiny.train_dataloader.dataset.pipeline = PIPELINE
    tiny.train_dataloader.dataset.indices = 18
    settings = dict(tiny.model.data_preprocessor, batch_augments=[CUTMIX, COPY_PASTE, MIXUP])
    del settings['type']
    epochs = []
    for workers in (0, 1, 4):
        options = dict(num_workers=workers)
        if workers:
            options['multiprocessing_context'] = 'forkserver'
        with warnings.catch_warnings(), DefaultScope.overwrite_default_scope('mmseg'):
            warnings.simplefilter('ignore')  # four workers are many for this machine
            loader = Runner.build_dataloader(dict(tiny.train_dataloader, **options), seed=3)
            preprocessor = SegDataPreProcessor(**settings)
            epochs.append([preprocessor(batch, training=True) for batch in loader])
    sizes = [len(batch['inputs']) for batch in epochs[0]]
    assert sizes == [8, 8, 2]
    ratios = {batch['data_samples'][0].mixup_ratio for batch in epochs[0]}
    assert len(ratios) == 3
    for others in epochs[1:]:
        for got, want in zip(others, epochs[0], strict=True):
            assert_same_batch(got, want)
