"""SegFormer-B2 on VOC 2012 and SBD, V2's "aggressive" attempt: focal loss alone, gamma 5.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v1.py
Change:  model.decode_head.loss_decode: cross-entropy -> focal, MMSegmentation's averages
         train_dataloader.dataset.datasets[*].pipeline: + PhotoMetricDistortion
Why:     to press on the hard pixels. With a large gamma, and divided by the number of classes, the
         gradients of a trained pixel fade to nothing; use focal beside dice.
Reconstructed:
         model.decode_head.loss_decode.gamma: 5.0; the largest of the paper
         model.decode_head.loss_decode.alpha: 0.5; the default
Result:  gradients fade, the user's own notes
Status:  negative result
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py'
model = dict(
    decode_head=dict(
        loss_decode=dict(
            _delete_=True,
            type='mmseg_ext.FocalLoss',
            gamma=5.0,
            alpha=0.5,
            avg_non_ignore=False,
            avg_over_classes=True,
        )
    )
)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=200)]
