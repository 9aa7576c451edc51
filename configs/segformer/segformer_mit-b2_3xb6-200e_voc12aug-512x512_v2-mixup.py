"""SegFormer-B2 on VOC 2012 and SBD, V2 with MixUp.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py
Change:  model.data_preprocessor: mixes half of the batches
         model.decode_head.type: 'SegformerHead' -> 'mmseg_ext.SegformerHead'; two labels a pixel
Why:     smoother decisions between classes.
Reconstructed:
         model.data_preprocessor.batch_augments[0].prob: 0.5
         model.data_preprocessor.batch_augments[0].alpha: 0.2; of the paper's 0.1 to 0.4
Result:  not run yet
Status:  ablation
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py'
model = dict(
    data_preprocessor=dict(
        type='mmseg_ext.SegDataPreProcessor',
        batch_augments=[dict(type='mmseg_ext.MixUp', prob=0.5, alpha=0.2)],
    ),
    decode_head=dict(type='mmseg_ext.SegformerHead'),
)
