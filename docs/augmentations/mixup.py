"""The demo with half of the batches blended, both labels of a pixel counted by their share.

Two labels a pixel take a head and losses of mmseg_ext.
"""

_base_ = '../../configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py'

model = dict(
    data_preprocessor=dict(
        type='mmseg_ext.SegDataPreProcessor',
        # 1: all ratios alike; with the 0.1 to 0.4 of the paper most blends are nearly one image
        batch_augments=[dict(type='mmseg_ext.MixUp', prob=0.5, alpha=1.0)],
    ),
    decode_head=dict(
        type='mmseg_ext.SegformerHead',
        loss_decode=dict(_delete_=True, type='mmseg_ext.CrossEntropyLoss'),
    ),
)
