"""SegFormer-B2 on ADE20K, V1.2: five times the rate, half precision, clipped gradients.

Parent:  segformer_mit-b2_3xb2-200e_ade20k-512x512_v1.py
Change:  optim_wrapper.type: 'OptimWrapper' -> 'AmpOptimWrapper'
         optim_wrapper.loss_scale: (not set) -> 'dynamic'
         optim_wrapper.clip_grad: at a norm of 10
         optim_wrapper.optimizer.lr: 6e-06 -> 3e-05
         model.decode_head.loss_decode.focal_weight: 0.7 -> 0.5
         model.decode_head.loss_decode.dice_weight: 1.3 -> 1.0
         param_scheduler[0].start_factor: 1e-07 -> 1e-06
         param_scheduler[1].end: 201 -> 200
Why:     the notes give no reason. PolyLR is done one epoch before its end, so with 200 the last
         epoch trains at a rate of 0.
Option:  the notes' prose says 6e-5, 3x4, 1.0 : 1.0 and clip 35 instead: --cfg-options
         optim_wrapper.optimizer.lr=6e-5 train_dataloader.batch_size=4
         model.decode_head.loss_decode.focal_weight=1.0 optim_wrapper.clip_grad.max_norm=35
Result:  NaN, the user's own notes; V1.3 answers it
Status:  negative result
"""

_base_ = './segformer_mit-b2_3xb2-200e_ade20k-512x512_v1.py'
model = dict(decode_head=dict(loss_decode=dict(focal_weight=0.5, dice_weight=1.0)))
optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    clip_grad=dict(max_norm=10),
    optimizer=dict(lr=3e-5),
)
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-6),
    dict(_base_.param_scheduler[1], end=200),
]
