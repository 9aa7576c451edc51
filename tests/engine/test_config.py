import pytest
from mmengine.config import Config, ConfigDict

from mmseg_ext.engine.config import check_config_path, complete_config, is_by_epoch, load_config
from mmseg_ext.engine.errors import UsageError


def test_a_missing_config_suggests_the_nearest(monkeypatch, tmp_path):
    (tmp_path / 'configs/segformer').mkdir(parents=True)
    (tmp_path / 'configs/segformer/segformer_mit-b0_voc12.py').write_text('')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r'configs/segformer/segformer_mit-b0_voc12\.py\?'):
        check_config_path('configs/segformer_mitb0_voc12.py')


def test_a_missing_base_is_named(tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text("_base_ = './gone.py'")
    with pytest.raises(UsageError, match=r'leaf\.py does not load.*gone\.py'):
        load_config(str(leaf))


@pytest.mark.parametrize(
    'argument, own, expected',
    [('from_cli', 'own', 'from_cli'), (None, 'own', 'own'), (None, None, 'work_dirs/leaf')],
)
def test_work_dir_comes_from_the_command_line_then_the_file_then_its_name(
    tmp_path, argument, own, expected
):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f'work_dir = {own!r}')
    assert load_config(str(leaf), work_dir=argument).work_dir == expected


@pytest.mark.parametrize(
    'train_cfg, expected',
    [
        (dict(type='EpochBasedTrainLoop', max_epochs=1), True),
        (dict(type='IterBasedTrainLoop', max_iters=1), False),
        (dict(by_epoch=False, max_iters=1), False),
        (None, True),
    ],
)
def test_by_epoch_follows_the_loop(train_cfg, expected):
    cfg = Config(dict(train_cfg=train_cfg))
    assert is_by_epoch(cfg) is expected
    complete_config(cfg)
    assert cfg.log_processor.by_epoch is expected
    assert cfg.default_hooks.logger.log_metric_by_epoch is expected
    assert cfg.default_hooks.checkpoint.by_epoch is expected


def test_what_a_config_says_is_left_alone():
    said = dict(
        checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2000),
        logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
        curves=None,
    )
    cfg = Config(dict(train_cfg=dict(type='EpochBasedTrainLoop'), default_hooks=said))
    complete_config(cfg)
    for name, hook in said.items():
        assert cfg.default_hooks[name] == hook
    assert cfg.default_hooks.metrics_file.type == 'mmseg_ext.MetricsFileHook'


def test_completing_twice_changes_nothing():
    cfg = Config(dict(train_cfg=dict(type='IterBasedTrainLoop', max_iters=1, val_interval=5)))
    complete_config(cfg)
    once = cfg.to_dict()
    complete_config(cfg)
    assert cfg.to_dict() == once


def make_data_config(**roots):
    loaders = {
        f'{split}_dataloader': dict(dataset=dict(data_root=root)) for split, root in roots.items()
    }
    return Config(dict(data_root='new', **loaders))


def test_a_data_root_that_no_dataset_uses_is_put_in_force():
    cfg = make_data_config(train='old', val='old')
    cfg.train_dataloader.dataset = ConfigDict(
        type='ConcatDataset', datasets=[dict(data_root='old'), dict(data_root='old')]
    )
    complete_config(cfg)
    assert [part.data_root for part in cfg.train_dataloader.dataset.datasets] == ['new', 'new']
    assert cfg.val_dataloader.dataset.data_root == 'new'


def test_a_data_root_that_one_dataset_uses_changes_no_other():
    cfg = make_data_config(train='new', val='elsewhere')
    complete_config(cfg)
    assert cfg.val_dataloader.dataset.data_root == 'elsewhere'


def test_a_data_root_without_effect_is_an_error():
    with pytest.raises(UsageError, match=r"data_root='new' has no effect.*'a', 'b'"):
        complete_config(make_data_config(train='a', val='b'))
