"""The demo with rectangles of other images, labels included, in half of the batches."""

_base_ = '../../configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py'

model = dict(
    data_preprocessor=dict(
        type='mmseg_ext.SegDataPreProcessor',
        batch_augments=[dict(type='mmseg_ext.CutMix', prob=0.5)],
    ),
)
