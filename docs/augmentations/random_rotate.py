"""The demo turned by up to 20 degrees; corners that open are ignored."""

_base_ = '../../configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py'

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='mmseg_ext.RandomRotate', prob=0.5, degree=20),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
