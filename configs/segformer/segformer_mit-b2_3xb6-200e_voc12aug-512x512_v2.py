"""SegFormer-B2 on VOC 2012 and SBD, V2: focal 1.0 + dice 1.0 and PhotoMetricDistortion.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v1.py
Change:  model.decode_head.loss_decode: cross-entropy -> focal + dice, MMSegmentation's averages
         train_dataloader.dataset.datasets[*].pipeline: + PhotoMetricDistortion
         param_scheduler[1].end: 200 -> 201
Why:     rare classes, and colours. In these averages focal is divided by the 21 classes, and dice
         is one ratio for all of them, so the pair does what cross-entropy does (docs/losses.md).
Result:  59.33 mIoU, val, the user's own log
Status:  baseline
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v1.py'
model = dict(
    decode_head=dict(
        loss_decode=dict(
            _delete_=True,
            type='mmseg_ext.FocalDiceLoss',
            focal_weight=1.0,
            dice_weight=1.0,
            **_base_.mmseg_averages,
        )
    )
)
train_pipeline = [
    *_base_.train_pipeline[:5],
    dict(type='PhotoMetricDistortion'),
    *_base_.train_pipeline[5:],
]
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(each, pipeline=train_pipeline) for each in _base_.train_dataloader.dataset.datasets
        ]
    )
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=201)]
