"""UPerNet with Swin-T on VOC 2012 and SBD: a stronger backbone, and the AdamW that it needs.

Parent:  upernet_r50_2xb4-200e_voc12aug-512x512_v1.py
Change:  model.backbone: ResNetV1c-50 -> Swin-T, ImageNet weights of its authors
         model.decode_head.in_channels: [256, 512, 1024, 2048] -> [96, 192, 384, 768]
         model.auxiliary_head.in_channels: 1024 -> 384
         optim_wrapper: AdamW, no decay in norm layers and position biases
         param_scheduler: 20 epochs of warm-up, then linear
         train_cfg.val_interval: 1 -> 10
         default_hooks.checkpoint: keeps the best
Why:     Swin-T has about the size of ResNet-50, and 2 to 3 mIoU more on ADE20K.
Reconstructed:
         optim_wrapper.optimizer.lr: 6e-05; MMSegmentation's for Swin and ADE20K
         optim_wrapper.optimizer.weight_decay: 0.01; likewise
         param_scheduler[0].end: 20; SegFormer's
         param_scheduler[1].end: 200
         train_dataloader.batch_size: 4; on 2 GPUs, as R50
Result:  not run yet
Status:  ablation
"""

_base_ = [
    '../_base_/models/upernet_swin.py',
    '../_base_/datasets/pascal_voc12_aug.py',
    '../_base_/schedules/schedule_200e_adamw.py',
    '../_base_/default_runtime.py',
]
checkpoint = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/swin_tiny_patch4_window7_224_20220317-1cdeb081.pth'
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    decode_head=dict(num_classes=21),
    auxiliary_head=dict(num_classes=21),
)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(
            _delete_=True,
            relative_position_bias_table=dict(decay_mult=0.0),
            norm=dict(decay_mult=0.0),
        )
    )
)
train_dataloader = dict(sampler=dict(type='DefaultSampler', shuffle=True))
