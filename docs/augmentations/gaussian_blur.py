"""The demo with half of the images blurred."""

_base_ = '../../configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py'

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='mmseg_ext.GaussianBlur', prob=0.5, sigma=(0.1, 2.0)),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
