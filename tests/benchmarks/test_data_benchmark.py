import json
import re
import runpy
import sys

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT, load_run_config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from PIL import Image

from mmseg_ext.benchmarks import data
from mmseg_ext.benchmarks.chains import Chain, one_core, time_chains
from mmseg_ext.benchmarks.data import ADE20K, FAST, STOCK, compare, find_samples, spellings
from mmseg_ext.benchmarks.data_report import _merge
from mmseg_ext.benchmarks.data_training import CHAINS, chain_changes
from mmseg_ext.benchmarks.photos import write_photos
from mmseg_ext.benchmarks.training import write_leaf
from mmseg_ext.engine.config import load_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.transforms.fast_chain import data_preprocessor_type, to_fast, to_stock

TOOL = str(ROOT / 'tools/analysis_tools/benchmark.py')
CAMVID = str(ROOT / 'configs/segformer/segformer_mit-b0_1xb16-24e_camvid-128x128.py')
OURS = 'mmseg_ext.'
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
PACK = dict(type='PackSegInputs')


def kinds(pipeline):
    return [step['type'] for step in pipeline]


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp('photos'), 3)


def test_the_fast_spelling():
    before = json.dumps(ADE20K)
    fast = to_fast(ADE20K)
    assert fast == [
        dict(type=f'{OURS}LoadImageFromFile'),
        dict(type=f'{OURS}LoadAnnotations'),
        dict(
            type=f'{OURS}RandomResizeCrop', scale=(2048, 512), ratio_range=(0.5, 2.0),
            crop_size=(512, 512), cat_max_ratio=0.75,
        ),
        dict(type=f'{OURS}RandomFlip', prob=0.5),
        dict(type=f'{OURS}PhotoMetricDistortion'),
        dict(type=f'{OURS}PackSegInputs'),
    ]  # fmt: skip
    assert json.dumps(ADE20K) == before and to_fast(fast) == fast and to_stock(fast) == ADE20K
    cache = dict(dir='there', max_gb=1)
    deferred = to_fast(ADE20K, on_device=True, cache=cache)
    assert [step.get('on_device') for step in deferred[3:]] == [True, True, None]
    assert [step.get('cache') for step in deferred[:3]] == [cache, cache, None]
    assert to_stock(deferred) == ADE20K
    assert data_preprocessor_type(fast) == f'{OURS}SegDataPreProcessor'
    assert data_preprocessor_type(ADE20K) is None


@pytest.mark.parametrize(
    'steps',
    [
        [dict(type='RandomCrop', crop_size=(48, 40), cat_max_ratio=0.75)],
        [dict(type='Resize', scale=(90, 70)), dict(type='RandomCrop', crop_size=(48, 40))],
        [
            dict(type='RandomResize', scale=(160, 90), ratio_range=(0.5, 2.0), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(64, 64), cat_max_ratio=0.75),
            dict(type='mmseg.RandomFlip', prob=0.5),
            dict(type='mmcv.Pad', size=(64, 64), pad_val=dict(img=7, seg=3)),
        ],
        [
            dict(type='RandomResize', scale=[(160, 90), (80, 60)], keep_ratio=True),
            dict(type='RandomCrop', crop_size=64),
            dict(type='Pad', size=(64, 64)),
        ],
    ],
)
def test_both_spellings_give_the_same_samples(steps, photos):
    """And so does the way back."""
    init_default_scope('mmseg')
    pipeline = [*LOAD, *steps, PACK]
    fast = to_fast(pipeline)
    assert f'{OURS}RandomResizeCrop' in kinds(fast) and not {'Pad', 'mmcv.Pad'} & {*kinds(fast)}
    chains = [Compose(each) for each in (pipeline, fast, to_stock(fast))]
    for index, info in enumerate(photos):
        results = []
        for chain in chains:
            np.random.seed(index + 7)
            packed = chain(dict(info, seg_fields=[]))
            label = packed['data_samples'].gt_sem_seg.data.long()
            results.append((packed['inputs'].float(), label))
        (image, label), ours, back = results
        flipped = 'flip' in str(steps).lower()
        if flipped and ours[1].ne(label).any():
            # padded before the flip: the padding is on the other side
            continue
        for other_image, other_label in (ours, back):
            assert torch.equal(label, other_label)
            assert (image - other_image).abs().mean() < 2, 'grey levels'


def test_what_ours_cannot_do_stays():
    kept = [
        dict(type='LoadImageFromFile', ignore_empty=True),
        dict(type='mmcv.LoadAnnotations'),
        dict(type='RandomResize', scale=(9, 9), keep_ratio=True, interpolation='area'),
        dict(type='RandomCrop', crop_size=8),
        dict(type='Pad', size_divisor=4),
        dict(type='RandomFlip', prob=0.5, swap_seg_labels=[(0, 1)]),
        dict(type='RandomRotate', prob=0.5, degree=9),
        dict(type='PhotoMetricDistortion'),
        dict(type='PackSegInputs', meta_keys=('img_path',)),
    ]
    fast = to_fast(kept, on_device=True, cache=dict(dir='x', max_gb=1))
    assert fast[:3] == kept[:3] and fast[4] == kept[4] and fast[6] == kept[6]
    assert fast[3] == dict(type=f'{OURS}RandomResizeCrop', crop_size=8)
    assert fast[5] == dict(kept[5], type=f'{OURS}RandomFlip'), 'labels are swapped here'
    assert fast[7] == dict(type=f'{OURS}PhotoMetricDistortion', on_device=True)
    assert fast[8]['meta_keys'] == ('img_path', 'on_device')
    # a transform between window and padding that may tell the two apart
    pad = dict(type='Pad', size=(8, 8))
    between = [*LOAD, dict(type='RandomCrop', crop_size=8), dict(type='RandomRotate'), pad, PACK]
    assert pad in to_fast(between)
    # what comes after colours sees them: they are not left
    later = [dict(type='PhotoMetricDistortion'), dict(type='RandomCutOut'), PACK]
    assert not any('on_device' in step for step in to_fast(later, on_device=True))
    # without our PackSegInputs nobody would do it
    assert 'on_device' not in to_fast([dict(type='RandomFlip', prob=0.5)], on_device=True)[0]
    remote = dict(type='LoadImageFromFile', backend_args=dict(backend='petrel'))
    assert 'cache' not in to_fast([remote], cache=dict(dir='x', max_gb=1))[0]


def test_stages_are_timed_and_the_fastest_round_counts(photos):
    ticks = iter(range(10_000))
    # rounds: one to warm up, two that count; each of two samples and two transforms
    lengths = iter([9, 9] * 2 + [5, 1] * 2 + [2, 3] * 2)
    now = [0]

    def clock():
        if next(ticks) % 3:
            now[0] += next(lengths)
        return now[0]

    seen = []

    def step(sample):
        seen.append((sample['img_path'], np.random.rand(), list(sample['seg_fields'])))
        sample['seg_fields'].append('gt_seg_map')
        return sample

    chain = Chain([step, lambda sample: sample], photos[:2], clock)
    (seconds,) = time_chains(dict(a=chain), repeats=2).values()
    assert seconds.tolist() == [2, 3]
    assert seen[:2] == seen[2:4] == seen[4:] and seen[0][1] != seen[1][1]
    assert seen[5][2] == [], 'each sample is fresh'


def test_one_core_puts_threads_back():
    before = cv2.getNumThreads(), torch.get_num_threads()
    with one_core():
        assert cv2.getNumThreads() <= 1 and torch.get_num_threads() == 1
    assert (cv2.getNumThreads(), torch.get_num_threads()) == before


def test_photos_cost_what_photos_cost(photos, tmp_path):
    for info in photos:
        with Image.open(info['img_path']) as image:
            assert image.size == (683, 512) and image.mode == 'RGB'
        with open(info['img_path'], 'rb') as file:
            assert 70_000 < len(file.read()) < 105_000
        label = np.array(Image.open(info['seg_map_path']))
        regions = sum(
            cv2.connectedComponents((label == each).astype(np.uint8))[0] - 1
            for each in np.unique(label)
        )
        assert label.max() < 150 and 8 <= regions <= 40
    again = write_photos(tmp_path, 1)
    with open(again[0]['img_path'], 'rb') as one, open(photos[0]['img_path'], 'rb') as other:
        assert one.read() == other.read()


def test_the_figures_fit_together(photos, tmp_path):
    result = compare(ADE20K, photos, 1, tmp_path / 'cache')
    chains = result['chains']
    assert list(chains) == list(spellings(ADE20K, tmp_path))
    for chain in chains.values():
        assert len(chain['stages']) == len(chain['pipeline'])
        total = sum(stage['milliseconds'] for stage in chain['stages'])
        assert chain['milliseconds'] == pytest.approx(total)
        assert sum(stage['share'] for stage in chain['stages']) == pytest.approx(1)
        assert chain['images_per_second'] == pytest.approx(1000 / total)
        assert chain['speed'] == pytest.approx(chains[STOCK]['milliseconds'] / total)
    # coarse, as three images are: what each way spares is much more
    assert chains[FAST]['speed'] > 1.2
    load, cached = (chains[name]['stages'][0]['milliseconds'] for name in (FAST, data.CACHED))
    assert cached < 0.5 * load
    for row in result['alone'].values():
        assert row['speed'] == pytest.approx(row['stock'] / row['fast'])
    assert result['alone']['PhotoMetricDistortion']['speed'] > 1.3


@pytest.mark.slow
def test_the_speeds_that_the_readme_promises(tmp_path):
    result = compare(ADE20K, write_photos(tmp_path, 64), 5, tmp_path / 'cache')
    speeds = {name: round(chain['speed'], 2) for name, chain in result['chains'].items()}
    speeds['PhotoMetricDistortion'] = result['alone']['PhotoMetricDistortion']['speed']
    print(speeds)
    wanted = {FAST: 2, data.DEFERRED: 3, data.CACHED: 4, 'PhotoMetricDistortion': 2}
    missed = {name: speeds[name] for name, least in wanted.items() if speeds[name] < least}
    assert not missed


def test_stages_of_several_chains_are_listed_in_order():
    a, b, c, d = ((name, 0) for name in 'abcd')
    assert _merge([{a: 1, b: 1, d: 1}, {a: 1, c: 1, d: 1}]) == [a, c, b, d]


def test_a_config_gives_its_pipeline_and_data(tiny_config, tmp_path):
    pipeline, infos = find_samples(str(tiny_config), {}, 5)
    assert kinds(pipeline)[2] == 'RandomCrop' and len(infos) == 5
    assert len({info['img_path'] for info in infos}) == 5
    cfg = load_run_config(tiny_config)
    with pytest.raises(UsageError, match='no train_dataloader'):
        find_samples(str(tiny_config), {'train_dataloader': None}, 5)
    _, every = find_samples(str(tiny_config), {}, 1000)
    assert len(every) == 40 and cfg.train_dataloader.batch_size == 8


def test_the_tool_measures_prints_and_writes(tiny_config, tmp_path, monkeypatch, capsys):
    out = tmp_path / 'data.json'
    words = [TOOL, 'data', str(tiny_config), '--images', '3', '--repeats', '1']
    monkeypatch.setattr(sys, 'argv', [*words, '--show-config', '--out', str(out)])
    runpy.run_path(TOOL, run_name='__main__')
    said, found = capsys.readouterr().out, json.loads(out.read_text())
    assert found['config'] == str(tiny_config) and found['images'] == 3
    assert list(found['alone']) == ['LoadImageFromFile']
    speed = found['chains'][FAST]['speed']
    assert re.search(rf'fast +[\d.]+ +\d+ +{speed:.2f}x', said)
    assert "dict(type='mmseg_ext.RandomResizeCrop', crop_size=(32, 32))," in said
    assert re.search(r'RandomResizeCrop +[\d.]+ +\d+%', said)


def test_where_the_result_goes_is_checked_first(tmp_path, monkeypatch, capsys):
    out = str(tmp_path / 'gone/x.json')
    monkeypatch.setattr(sys, 'argv', [TOOL, 'data', 'gone.py', '--out', out])
    with pytest.raises(SystemExit):
        runpy.run_path(TOOL, run_name='__main__')
    said = capsys.readouterr().err
    assert said == f'error: there is no folder {tmp_path / "gone"}; make it first\n'


def test_the_tool_offers_all_chains():
    assert runpy.run_path(TOOL)['TRAINED_CHAINS'] == list(CHAINS)


@pytest.mark.parametrize('chain', CHAINS)
def test_the_leaf_of_a_training_differs_in_its_pipeline_alone(chain, tmp_path):
    base = load_config(CAMVID)
    leaf = write_leaf('data', CAMVID, chain, chain_changes(base, chain), 2, tmp_path, {})
    cfg = load_config(str(leaf))
    pipeline = cfg.train_dataloader.dataset.pop('pipeline')
    stock = base.train_dataloader.dataset.pop('pipeline')
    assert cfg.train_dataloader == base.train_dataloader and cfg.randomness.seed == 2
    kind = cfg.model.data_preprocessor.pop('type')
    base.model.data_preprocessor.pop('type')
    assert cfg.model == base.model
    if chain == 'stock':
        assert pipeline == stock and kind == 'SegDataPreProcessor'
    else:
        assert kind == f'{OURS}SegDataPreProcessor'
        assert pipeline[2] == dict(
            type=f'{OURS}RandomResizeCrop', scale=(240, 180), keep_ratio=False,
            crop_size=(128, 128), cat_max_ratio=0.75,
        )  # fmt: skip
        assert bool(pipeline[3].get('on_device')) == (chain == 'fast-on-device')
