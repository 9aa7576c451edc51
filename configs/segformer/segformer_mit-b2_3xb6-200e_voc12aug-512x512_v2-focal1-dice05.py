"""SegFormer-B2 on VOC 2012 and SBD, V2 with focal 1.0 + dice 0.5.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py
Change:  model.decode_head.loss_decode.dice_weight: 1.0 -> 0.5
Why:     more of the pixels, less of the regions.
Result:  not run yet
Status:  ablation
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py'
model = dict(decode_head=dict(loss_decode=dict(dice_weight=0.5)))
