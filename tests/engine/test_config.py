import pytest
from mmengine.config import Config
from mmengine.runner import LogProcessor

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


@pytest.mark.parametrize(
    'loop, key, is_smoothed',
    [
        ('mmseg_ext.ValLoop', 'val_loss', False),
        ('mmseg_ext.ValLoop', 'val/val_decode.loss_ce', False),
        ('mmseg_ext.ValLoop', 'decode.loss_ce', True),
        ('mmseg_ext.ValLoop', 'val/data_time', True),
        ('mmseg_ext.ValLoop', 'grad_norm', True),
        ('ValLoop', 'val_loss', True),  # MMEngine's way stays its own
    ],
)
def test_losses_of_validations_are_logged_as_they_are(loop, key, is_smoothed):
    cfg = Config(dict(train_cfg=dict(by_epoch=True), val_cfg=dict(type=loop)))
    complete_config(cfg)
    processor = LogProcessor(**cfg.log_processor)
    assert bool(processor.mean_pattern.search(key)) is is_smoothed


def test_what_a_config_says_is_left_alone():
    said = dict(
        checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2000),
        logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
        curves=None,
    )
    cfg = Config(dict(train_cfg=dict(type='EpochBasedTrainLoop'), default_hooks=said))
    complete_config(cfg)
    said['checkpoint']['type'] = 'mmseg_ext.CheckpointHook'  # it does all that stock does
    for name, hook in said.items():
        assert cfg.default_hooks[name] == hook
    assert cfg.default_hooks.metrics_file.type == 'mmseg_ext.MetricsFileHook'


def test_stock_classes_are_kept_where_they_are_named_as_mmengines():
    hook = dict(type='mmengine.CheckpointHook', interval=3)
    loop = dict(type='mmengine.EpochBasedTrainLoop', max_epochs=2)
    cfg = Config(dict(train_cfg=loop, default_hooks=dict(checkpoint=hook)))
    complete_config(cfg)
    assert cfg.default_hooks.checkpoint.type == hook['type'] and cfg.train_cfg.type == loop['type']


@pytest.mark.parametrize('loop', [dict(by_epoch=True), dict(), dict(type='EpochBasedTrainLoop')])
def test_the_epoch_loop_is_ours(loop):
    cfg = Config(dict(train_cfg=dict(loop, max_epochs=2)))
    complete_config(cfg)
    assert cfg.train_cfg == dict(type='mmseg_ext.EpochBasedTrainLoop', max_epochs=2)


def test_completing_twice_changes_nothing():
    cfg = Config(dict(train_cfg=dict(type='IterBasedTrainLoop', max_iters=1, val_interval=5)))
    complete_config(cfg)
    once = cfg.to_dict()
    complete_config(cfg)
    assert cfg.to_dict() == once


@pytest.fixture
def pieces(tmp_path):
    """A dataset piece as MMSegmentation writes it, and a function that makes a leaf over it."""
    (tmp_path / 'piece.py').write_text("""
data_root = 'data/base'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
""")

    def make(name, text, base='piece'):
        (tmp_path / f'{name}.py').write_text(f"_base_ = ['./{base}.py']\n{text}")
        return str(tmp_path / f'{name}.py')

    return make


def roots(path, options=None):
    cfg = load_config(path, options)
    complete_config(cfg)
    return cfg.train_dataloader.dataset.data_root, cfg.val_dataloader.dataset.data_root


def test_a_data_root_set_in_a_leaf_is_put_in_force(pieces):
    assert roots(pieces('leaf', "data_root = 'data/leaf'")) == ('data/leaf', 'data/leaf')


def test_so_is_one_set_by_the_command_line_over_a_leaf_over_a_leaf(pieces):
    pieces('parent', "data_root = 'data/parent'")
    leaf = pieces('leaf', '', base='parent')
    assert roots(leaf) == ('data/parent', 'data/parent')
    assert roots(leaf, {'data_root': 'cli'}) == ('cli', 'cli')


def test_roots_that_a_leaf_gives_its_datasets_are_left_alone(pieces):
    text = "train_dataloader = dict(dataset=dict(data_root='data/mine'))\n"
    assert roots(pieces('leaf', text)) == ('data/mine', 'data/base')
    text += "data_root = 'data/leaf'"
    assert roots(pieces('both', text)) == ('data/mine', 'data/leaf')


@pytest.mark.parametrize(
    'evaluator, saves_best',
    [
        (dict(type='IoUMetric'), True),
        (dict(type='IoUMetric', iou_metrics=['mDice']), False),
        ([dict(type='IoUMetric', iou_metrics=['mDice']), dict(iou_metrics=['mIoU'])], True),
        (None, False),
    ],
)
def test_the_default_checkpoint_hook_saves_the_best_where_there_is_an_miou(evaluator, saves_best):
    cfg = Config(dict(train_cfg=dict(type='EpochBasedTrainLoop'), val_evaluator=evaluator))
    complete_config(cfg)
    assert ('save_best' in cfg.default_hooks.checkpoint) is saves_best


@pytest.mark.parametrize(
    'loop, interval', [('EpochBasedTrainLoop', 1), ('IterBasedTrainLoop', 1000)]
)
def test_the_default_checkpoint_hook_saves_as_often_as_the_loop_validates(loop, interval):
    cfg = Config(dict(train_cfg=dict(type=loop)))
    complete_config(cfg)
    assert cfg.default_hooks.checkpoint.interval == interval
    cfg = Config(dict(train_cfg=dict(type=loop, val_interval=7)))
    complete_config(cfg)
    assert cfg.default_hooks.checkpoint.interval == 7


@pytest.mark.parametrize('text', ['model = dict(', 'model = {{_base_.gone}}', 'rate = 1 / 0'])
def test_a_config_that_does_not_run_is_named(tmp_path, text):
    (tmp_path / 'leaf.py').write_text(text)
    with pytest.raises(UsageError, match=r'leaf\.py does not load: \w+'):
        load_config(str(tmp_path / 'leaf.py'))


def test_a_file_that_is_no_config_is_named(tmp_path):
    (tmp_path / 'epoch_1.pth').write_text('')
    with pytest.raises(UsageError, match=r'epoch_1\.pth does not load'):
        load_config(str(tmp_path / 'epoch_1.pth'))


def test_the_network_of_evaluation_is_ours():
    inner = dict(type='EncoderDecoder', data_preprocessor=dict(type='SegDataPreProcessor'))
    cfg = Config(dict(model=dict(inner), tta_model=dict(type='SegTTAModel', module=dict(inner))))
    complete_config(cfg)
    ours = dict(
        type='mmseg_ext.EncoderDecoder',
        data_preprocessor=dict(type='mmseg_ext.SegDataPreProcessor'),
    )
    assert cfg.model == ours
    assert cfg.tta_model == dict(type='mmseg_ext.SegTTAModel', module=ours)


def test_a_network_named_as_mmsegs_stays():
    model = dict(type='mmseg.EncoderDecoder', data_preprocessor=dict(type='mmseg.Own'))
    cfg = Config(dict(model=model))
    complete_config(cfg)
    assert cfg.model == model


def test_networks_inside_others_stay():
    inner = dict(type='EncoderDecoder', data_preprocessor=dict(type='SegDataPreProcessor'))
    cfg = Config(
        dict(
            model=dict(type='Distiller', teacher=inner, data_preprocessor=dict(type='Own')),
            data_preprocessor=dict(type='SegDataPreProcessor'),
        )
    )
    complete_config(cfg)
    assert cfg.model.teacher == inner
    assert cfg.data_preprocessor.type == 'mmseg_ext.SegDataPreProcessor'
