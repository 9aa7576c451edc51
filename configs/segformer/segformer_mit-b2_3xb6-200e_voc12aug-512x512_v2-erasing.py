"""SegFormer-B2 on VOC 2012 and SBD, V2 with RandomErasing.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py
Change:  train_dataloader.dataset.datasets[*].pipeline: + mmseg_ext.RandomErasing; after
             PhotoMetricDistortion
Why:     objects that are half hidden.
Reconstructed:
         train_dataloader.dataset.datasets[*].pipeline[6].type: 'mmseg_ext.RandomErasing'; with
             its defaults for area and filling
Result:  not run yet
Status:  ablation
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py'
train_pipeline = [
    *_base_.train_pipeline[:6],
    dict(type='mmseg_ext.RandomErasing', prob=0.5),
    *_base_.train_pipeline[6:],
]
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(each, pipeline=train_pipeline) for each in _base_.train_dataloader.dataset.datasets
        ]
    )
)
