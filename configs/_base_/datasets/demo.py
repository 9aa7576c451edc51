"""The synthetic VOC 2012 tree of ``tools/dataset_converters/demo.py``: 480 and 60 small images.

Images keep their size: resizing would change the period of the textures that tell the classes
apart. Loaders start no workers: loading is a sixteenth of a step on the two cores that the demo is
meant for.
"""

_base_ = './pascal_voc12.py'

data_root = 'data/demo/VOCdevkit/VOC2012'
crop_size = (64, 64)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler'),
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
