"""SegFormer-B2 with focal 1.0 + dice 1.0, averaged as MMSegmentation's FocalLoss and DiceLoss do.

Focal, with gamma 2 and alpha 0.5, is divided by all pixels, ignored ones too, and by the classes;
dice is one ratio an image for all classes together, in which ignored pixels count. It is for
repeating what was trained so; docs/losses.md says what ``mmseg_ext.FocalDiceLoss()`` brings.
"""

_base_ = './segformer_mit-b2.py'
model = dict(
    decode_head=dict(
        loss_decode=dict(
            _delete_=True,
            type='mmseg_ext.FocalDiceLoss',
            focal_weight=1.0,
            dice_weight=1.0,
            avg_non_ignore=False,
            avg_over_classes=True,
            pooled=True,
            per_image=True,
            count_ignored=True,
        )
    )
)
