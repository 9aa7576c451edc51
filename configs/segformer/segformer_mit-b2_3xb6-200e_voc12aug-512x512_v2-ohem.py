"""SegFormer-B2 on VOC 2012 and SBD, V2 with OHEM around the focal loss.

Parent:  segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py
Change:  model.decode_head.loss_decode: OHEM around it; dice keeps all pixels
Why:     most pixels are easy. Focal has MMSegmentation's averages, so the kept pixels are divided
         by all, as its OHEMPixelSampler does.
Reconstructed:
         model.decode_head.loss_decode.min_kept: 100000; of 262144 an image
Result:  not run yet
Status:  ablation
"""

_base_ = './segformer_mit-b2_3xb6-200e_voc12aug-512x512_v2.py'
model = dict(
    decode_head=dict(
        loss_decode=dict(
            _delete_=True,
            type='mmseg_ext.OHEMLoss',
            losses=_base_.model.decode_head.loss_decode,
            min_kept=100_000,
        )
    )
)
