"""SegFormer-B2 on VOC 2012 and SBD, V1: cross-entropy.

Parent:  none
Why:     the first of the line. It ended 17 below the same user's UPerNet-R50; nobody had verified
         that the hand-converted weights load.
Reconstructed:
         train_dataloader.batch_size: 6; on 3 GPUs
         optim_wrapper.optimizer.lr: 6e-05; SegFormer's
         model.decode_head.loss_decode.type: 'CrossEntropyLoss'
         param_scheduler[0].start_factor: 1e-06; SegFormer's
         param_scheduler[1].end: 200
         train_dataloader.dataset.datasets[*].pipeline: [LoadImageFromFile, LoadAnnotations,
             RandomResize, RandomCrop, RandomFlip, Pad, PackSegInputs]; no PhotoMetricDistortion
Result:  58.6 mIoU, val, the user's own log
Status:  baseline
"""

_base_ = [
    '../_base_/models/segformer_mit-b2.py',
    '../_base_/datasets/pascal_voc12_aug.py',
    '../_base_/schedules/schedule_200e_adamw.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=(512, 512)), decode_head=dict(num_classes=21))
train_pipeline = [step for step in _base_.train_pipeline if step['type'] != 'PhotoMetricDistortion']
train_dataloader = dict(
    batch_size=6,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        datasets=[
            dict(_base_.dataset_train, pipeline=train_pipeline),
            dict(_base_.dataset_aug, pipeline=train_pipeline),
        ]
    ),
)
