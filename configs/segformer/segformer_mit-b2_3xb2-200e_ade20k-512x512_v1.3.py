"""SegFormer-B2 on ADE20K, V1.3: gentler after V1.2's NaN.

Parent:  segformer_mit-b2_3xb2-200e_ade20k-512x512_v1.2.py
Change:  optim_wrapper.optimizer.lr: 3e-05 -> 2e-05
         optim_wrapper.clip_grad.max_norm: 10 -> 2
         optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult: 10.0 -> 3.0
         param_scheduler[0].start_factor: 1e-06 -> 5e-07
Why:     smaller steps after the NaN, most of all in the head. Focal stays at 0.5.
Result:  not known, the user's notes have none
Status:  ablation
"""

_base_ = './segformer_mit-b2_3xb2-200e_ade20k-512x512_v1.2.py'
optim_wrapper = dict(
    optimizer=dict(lr=2e-5),
    clip_grad=dict(max_norm=2),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=3.0))),
)
param_scheduler = [dict(_base_.param_scheduler[0], start_factor=5e-7), _base_.param_scheduler[1]]
