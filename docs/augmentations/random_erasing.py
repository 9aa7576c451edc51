"""The demo with holes of noise in half of the images; their labels stay."""

_base_ = '../../configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py'

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='mmseg_ext.RandomErasing', prob=0.5, num_holes=(1, 3), area_range=(0.02, 0.1)),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
