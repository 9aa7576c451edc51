"""VOC 2012 and SBD with the fast pipeline, and with test images whose sides the strides divide.

Flips and colours are left to ``mmseg_ext.SegDataPreProcessor``, which the network needs.
"""

_base_ = './pascal_voc12_aug.py'
train_pipeline = [
    dict(type='mmseg_ext.LoadImageFromFile'),
    dict(type='mmseg_ext.LoadAnnotations'),
    dict(
        type='mmseg_ext.RandomResizeCrop',
        scale=(2048, 512),
        ratio_range=(0.5, 2.0),
        crop_size=_base_.crop_size,
        cat_max_ratio=0.75,
    ),
    dict(type='mmseg_ext.RandomFlip', prob=0.5, on_device=True),
    dict(type='mmseg_ext.PhotoMetricDistortion', on_device=True),
    dict(type='mmseg_ext.PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmseg_ext.AlignedResize', scale=(2048, 512), size_divisor=32),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(_base_.dataset_train, pipeline=train_pipeline),
            dict(_base_.dataset_aug, pipeline=train_pipeline),
        ]
    )
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
