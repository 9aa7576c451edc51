"""The demo with aeroplanes, bicycles and birds pasted from other images of the batch."""

_base_ = '../../configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py'

model = dict(
    data_preprocessor=dict(
        type='mmseg_ext.SegDataPreProcessor',
        batch_augments=[dict(type='mmseg_ext.CopyPaste', prob=0.5, classes=[1, 2, 3])],
    ),
)
