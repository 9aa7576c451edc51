"""UPerNet-R50 on VOC 2012 train, 1,464 images.

Parent:  none
Why:     the first of the line: MMSegmentation's network and rate, by epochs.
Reconstructed:
         train_dataloader.batch_size: 4; on 2 GPUs
         default_hooks.checkpoint.max_keep_ckpts: 3
         default_hooks.checkpoint.save_best: 'mIoU'
Result:  67.91 mIoU, 76.48 mAcc, val, the user's own log
Status:  baseline
"""

_base_ = [
    '../_base_/models/upernet_r50.py',
    '../_base_/datasets/pascal_voc12.py',
    '../_base_/schedules/schedule_200e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(num_classes=21),
    auxiliary_head=dict(num_classes=21),
)
train_dataloader = dict(
    batch_size=4, num_workers=4, sampler=dict(type='DefaultSampler', shuffle=True)
)
