import copy

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from PIL import Image

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.evaluation import (
    TTA_RATIOS,
    check_folder,
    choose_classes,
    has_truth,
    leave_out_truth,
    make_tta_pipeline,
    use_tta,
)


def made_config(evaluator=None, **dataset):
    dataset = dict(type='CamVidDataset', pipeline=[dict(type='LoadImageFromFile')], **dataset)
    dataset['type'] = 'mmseg_ext.CamVidDataset'
    return Config(
        dict(
            model=dict(type='EncoderDecoder'),
            test_dataloader=dict(dataset=dataset),
            test_evaluator=evaluator or dict(type='mmseg_ext.SegMetrics'),
        )
    )


def test_the_metrics_are_handed_the_names():
    cfg = made_config([dict(type='mmseg_ext.SegMetrics')])
    assert choose_classes(cfg, ['car,sky']) == ['sky', 'car']
    assert cfg.test_evaluator[0].classes == ['sky', 'car']
    cfg = made_config(metainfo=dict(classes=['car', 'sky']))
    assert choose_classes(cfg, ['sky', 'car']) == ['car', 'sky']


def test_a_metric_that_would_ignore_the_names_is_refused():
    with pytest.raises(UsageError, match='metric mmseg.IoUMetric takes none; set test_evaluator'):
        choose_classes(made_config(dict(type='mmseg.IoUMetric')), ['car'])


@pytest.mark.parametrize(
    'dataset, evaluator, expected',
    [
        ({}, {}, True),
        (dict(data_prefix=dict(img_path='a', seg_map_path='')), {}, True),
        (dict(data_prefix=dict(img_path='a')), {}, False),
        (dict(data_prefix=dict(img_path='a', seg_map_path=None)), {}, False),
        (dict(data_prefix=dict(img_path='a', seg_map_path='b')), dict(format_only=True), False),
    ],
)
def test_truth_is_there_where_the_config_names_it(dataset, evaluator, expected):
    cfg = made_config(dict(type='mmseg_ext.SegMetrics', **evaluator), **dataset)
    assert has_truth(cfg) is expected


def test_one_part_without_truth_leaves_the_whole_without():
    cfg = made_config(data_prefix=dict(img_path='a', seg_map_path='b'))
    part = cfg.test_dataloader.dataset.to_dict()
    bare = copy.deepcopy(part)
    bare['data_prefix'].pop('seg_map_path')
    cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[part, part])
    assert has_truth(cfg)
    cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[part, bare])
    assert not has_truth(cfg)


def test_what_loads_truth_is_left_out_in_tta_as_well():
    prefix = dict(img_path='a', seg_map_path=None)
    cfg = made_config(dict(type='mmseg_ext.SegMetrics', format_only=True), data_prefix=prefix)
    cfg.test_dataloader.dataset.pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='mmseg_ext.LoadAnnotations'),
        dict(
            type='TestTimeAug',
            transforms=[[dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]],
        ),
    ]
    leave_out_truth(cfg)
    assert cfg.test_dataloader.dataset.pipeline == [
        dict(type='LoadImageFromFile'),
        dict(type='TestTimeAug', transforms=[[dict(type='PackSegInputs')]]),
    ]
    assert cfg.test_evaluator == []
    assert dict(cfg.test_dataloader.dataset.data_prefix) == dict(img_path='a')


def test_a_metric_that_writes_by_itself_stays():
    cfg = made_config(dict(type='mmseg_ext.SegMetrics', format_only=True, output_dir='x'))
    leave_out_truth(cfg)
    assert cfg.test_evaluator.output_dir == 'x'


TEST_PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(60, 40), keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]


@pytest.mark.parametrize('order', [(0, 1, 2, 3), (0, 2, 1, 3)])
def test_a_made_tta_pipeline_loads_all_views_and_the_truth_as_it_is(tmp_path, order):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(tmp_path / 'a.png')
    label = rng.integers(0, 2, (20, 30), np.uint8)
    Image.fromarray(label).save(tmp_path / 'l.png')
    pipeline, note = make_tta_pipeline([TEST_PIPELINE[index] for index in order])
    info = dict(
        img_path=str(tmp_path / 'a.png'), seg_map_path=str(tmp_path / 'l.png'),
        reduce_zero_label=False, seg_fields=[],
    )  # fmt: skip
    with DefaultScope.overwrite_default_scope('mmseg'):
        views = Compose(pipeline)(info)
    assert '0.5, 0.75, 1, 1.25, 1.5, 1.75 times 60x40, each also mirrored' in note
    sizes = {tuple(view.shape[1:]) for view in views['inputs']}
    assert sizes == {(round(40 * ratio), round(60 * ratio)) for ratio in TTA_RATIOS}
    assert [sample.flip for sample in views['data_samples']].count(True) == len(TTA_RATIOS)
    for sample in views['data_samples']:
        assert (sample.gt_sem_seg.data[0].numpy() == label).all()


@pytest.mark.parametrize(
    'resize, first, said',
    [
        (None, dict(scale_factor=0.5, keep_ratio=True), "the image's size"),
        (dict(scale_factor=0.5), dict(scale_factor=0.25), '0.5 of the size'),
        (dict(scale=(8, 4), keep_ratio=True), dict(scale=(4, 2), keep_ratio=True), '8x4'),
    ],
)
def test_the_views_follow_the_resize_of_the_test(resize, first, said):
    steps = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
    if resize:
        steps.insert(1, dict(type='Resize', **resize))
    pipeline, note = make_tta_pipeline(steps)
    assert pipeline[1]['transforms'][0][0] == dict(type='Resize', **first)
    assert said in note


def test_the_configs_own_tta_pipeline_and_model_come_first():
    cfg = made_config()
    own = [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[])]
    cfg.tta_pipeline, cfg.tta_model = own, dict(type='Mine')
    assert use_tta(cfg) is None
    assert cfg.test_dataloader.dataset.pipeline == own
    assert cfg.model == dict(type='Mine', module=dict(type='EncoderDecoder'))


def test_a_folder_that_is_a_file(tmp_path):
    file = tmp_path / 'file'
    file.write_text('')
    check_folder('--out', str(tmp_path / 'new/deep'))
    check_folder('--out', None)
    with pytest.raises(UsageError, match=f'--out {file}: {file} is a file; name a folder'):
        check_folder('--out', str(file))
    with pytest.raises(UsageError, match=f'{file} is a file'):
        check_folder('--show-dir', str(file / 'below'))
