import pytest
from mmengine.config import Config

from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.monitor_checks import check_monitors


def plateau_config(monitor, loop, *evaluators):
    scheduler = dict(type='ReduceOnPlateauLR', rule='less')
    if monitor:
        scheduler['monitor'] = monitor
    return Config(
        dict(
            train_cfg=dict(by_epoch=True, max_epochs=2),
            param_scheduler=[dict(type='PolyLR', end=2), scheduler],
            val_cfg=loop,
            val_evaluator=list(evaluators),
        )
    )


STOCK, OURS = dict(type='ValLoop'), dict(type='mmseg_ext.ValLoop')
SEG = dict(type='mmseg_ext.SegMetrics', iou_metrics=['mIoU', 'mDice'])


@pytest.mark.parametrize(
    ('monitor', 'loop', 'evaluators', 'said'),
    [
        ('val_loss', STOCK, [SEG], 'val_loss, which ValLoop does not compute; .*mmseg_ext.ValLoop'),
        ('val_loss', {}, [SEG], 'of which this config has none; set val_cfg'),
        (None, STOCK, [SEG], 'monitor=loss, .* aAcc, mIoU, mAcc, mDice, and with .* val_loss$'),
        ('mFscore', OURS, [SEG], 'monitor=mFscore, .* aAcc, mIoU, mAcc, mDice, val_loss$'),
        ('mIoU', OURS, [dict(SEG, prefix='a')], 'there are a/aAcc, a/mIoU, a/mAcc, a/mDice'),
    ],
)
def test_a_scheduler_that_waits_for_what_never_comes(monitor, loop, evaluators, said):
    with pytest.raises(UsageError, match=rf'param_scheduler\[1\] \(ReduceOnPlateauLR\) .*{said}'):
        check_monitors(plateau_config(monitor, loop, *evaluators))


@pytest.mark.parametrize(
    ('monitor', 'loop', 'evaluators'),
    [
        ('val_loss', OURS, [SEG]),
        ('val_decode.loss_ce', OURS, [SEG]),
        ('mDice', STOCK, [SEG]),
        ('a/mIoU', STOCK, [SEG, dict(type='IoUMetric', prefix='a')]),
        ('anything', STOCK, [SEG, dict(type='OtherMetric')]),
        ('val_loss', dict(type='OtherLoop'), [SEG]),
    ],
)
def test_what_validations_give_can_be_waited_for(monitor, loop, evaluators):
    check_monitors(plateau_config(monitor, loop, *evaluators))
