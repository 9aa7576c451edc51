"""SegFormer-B0 on the demo, V2.1: V2 stopped midway, and begun anew at ten times the rate.

Parent:  segformer_mit-b0_1xb16-8e_demo-64x64_v2-focal07-dice13.py
Change:  load_from: (not set) -> 'work_dirs/segformer_mit-b0_1xb16-8e_demo-64x64_v2-focal0...;
           after epoch 5 of 8
         optim_wrapper.optimizer.lr: 0.0006 -> 0.006
         train_dataloader.dataset.pipeline[2].crop_size: [64, 64] -> [60, 60]
         model.data_preprocessor.size: [64, 64] -> [60, 60]
Why:     the ADE20K line's V1.1, made small: crop 480 for 512, 6e-5 for 6e-6, a fresh schedule with
         its warm-up, a fresh optimizer.
Result:  82.26 mIoU, val, epoch 8, seed 0, 2 CPU cores, torch 2.13.0; 23.29 after the first epoch,
         from 50.10: it forgets half, and learns it again (docs/experiments.md)
Status:  ablation
"""

_base_ = './segformer_mit-b0_1xb16-8e_demo-64x64_v2-focal07-dice13.py'

load_from = 'work_dirs/segformer_mit-b0_1xb16-8e_demo-64x64_v2-focal07-dice13/epoch_5.pth'
optim_wrapper = dict(optimizer=dict(lr=6e-3))
crop_size = (60, 60)
crop = dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75)
train_pipeline = [*_base_.train_pipeline[:2], crop, *_base_.train_pipeline[3:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
model = dict(data_preprocessor=dict(size=crop_size))
