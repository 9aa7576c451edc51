"""What every run shares: scope, environment, writers, and our Runner.

Keys and values are MMSegmentation's, so that its leaves run on this file. What is different:
``runner_type`` puts ``mmseg_ext.Runner`` in force (also under the stock tools/train.py), which
checks the config before the first step, fills in the default hooks, and derives ``by_epoch`` of the
logger, the log processor and the checkpoints from the loop, where a config does not say otherwise.
"""

default_scope = 'mmseg'
runner_type = 'mmseg_ext.Runner'
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_level = 'INFO'
load_from = None
resume = False

tta_model = dict(type='SegTTAModel')
