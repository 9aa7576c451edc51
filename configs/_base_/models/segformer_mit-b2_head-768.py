"""SegFormer-B2 as in the paper, with a head of 768 channels, a low-memory head, and focal + dice.

Needs a data pipeline for ``mmseg_ext.SegDataPreProcessor``, as in ``_base_/datasets/*_fast.py``.
"""

_base_ = './segformer_mit-b2.py'
model = dict(
    data_preprocessor=dict(type='mmseg_ext.SegDataPreProcessor'),
    backbone=dict(init_cfg=dict(checkpoint='checkpoints/mit_b2.pth')),
    decode_head=dict(
        type='mmseg_ext.SegformerHead',
        channels=768,
        loss_decode=dict(_delete_=True, type='mmseg_ext.FocalDiceLoss'),
    ),
)
