import copy

import pytest
from mmengine.config import Config

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.evaluation import (
    check_folder,
    choose_classes,
    has_truth,
    leave_out_truth,
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
    with pytest.raises(UsageError, match=f'{file} is a file'):
        check_folder('--out', str(tmp_path / 'new/../file'))
    with pytest.raises(UsageError, match='--out names no folder'):
        check_folder('--out', '')
