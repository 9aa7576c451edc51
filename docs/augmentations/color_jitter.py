"""The demo with brightness, contrast and saturation that vary by up to 40%."""

_base_ = '../../configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py'

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='mmseg_ext.ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
