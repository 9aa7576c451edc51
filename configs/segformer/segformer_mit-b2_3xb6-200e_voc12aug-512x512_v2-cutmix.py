"""SegFormer-B2 on VOC 2012 and SBD, V2 with CutMix.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py
Change:  model.data_preprocessor: pastes boxes of other images in half of the batches
Why:     objects in other surroundings.
Reconstructed:
         model.data_preprocessor.batch_augments[0].prob: 0.5
         model.data_preprocessor.batch_augments[0].alpha: 1.0; the paper's
Result:  not run yet
Status:  ablation
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py'
model = dict(
    data_preprocessor=dict(
        type='mmseg_ext.SegDataPreProcessor',
        batch_augments=[dict(type='mmseg_ext.CutMix', prob=0.5, alpha=1.0)],
    )
)
