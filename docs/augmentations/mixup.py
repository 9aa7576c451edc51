"""The demo with half of the batches blended, both labels of a pixel counted by their share.

Two labels a pixel take a head and losses of mmseg_ext.
"""

_base_ = '../../configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py'

model = dict(
    data_preprocessor=dict(
        type='mmseg_ext.SegDataPreProcessor',
        batch_augments=[dict(type='mmseg_ext.MixUp', prob=0.5, alpha=0.2)],
    ),
    decode_head=dict(
        type='mmseg_ext.SegformerHead',
        loss_decode=dict(_delete_=True, type='mmseg_ext.CrossEntropyLoss'),
    ),
)
