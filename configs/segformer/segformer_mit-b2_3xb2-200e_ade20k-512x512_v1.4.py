"""SegFormer-B2 on ADE20K, V1.4: V1 with the schedule's rates raised.

Parent:  segformer_mit-b2_3xb2-200e_ade20k-512x512_v1.py
Change:  optim_wrapper.optimizer.lr: 6e-06 -> 6e-05
         param_scheduler[0].start_factor: 1e-07 -> 1e-06
Why:     SegFormer's own rate, from the ImageNet weights.
Reconstructed:
         optim_wrapper.optimizer.lr: 6e-05
         param_scheduler[0].start_factor: 1e-06
Result:  26.60 mIoU, 36.25 mAcc, 74.09 aAcc, val, the user's own log; published for B2: 45.58
Status:  baseline
"""

_base_ = './segformer_mit-b2_3xb2-200e_ade20k-512x512_v1.py'
optim_wrapper = dict(optimizer=dict(lr=6e-5))
param_scheduler = [dict(_base_.param_scheduler[0], start_factor=1e-6), _base_.param_scheduler[1]]
