"""The front door: one child registry under each MMEngine root that this package adds to.

``type='mmseg_ext.Name'`` in a config makes MMEngine import this module, and the registry then
imports its locations when it is first asked for a name. No ``custom_imports`` is needed.
"""

from mmengine import registry as root

DATASETS = root.Registry(
    'dataset', parent=root.DATASETS, scope='mmseg_ext', locations=['mmseg_ext.datasets']
)
DATA_SAMPLERS = root.Registry(
    'data sampler', parent=root.DATA_SAMPLERS, scope='mmseg_ext', locations=['mmseg_ext.datasets']
)
HOOKS = root.Registry('hook', parent=root.HOOKS, scope='mmseg_ext', locations=['mmseg_ext.hooks'])
LOOPS = root.Registry(
    'loop', parent=root.LOOPS, scope='mmseg_ext', locations=['mmseg_ext.engine.loops']
)
METRICS = root.Registry(
    'metric', parent=root.METRICS, scope='mmseg_ext', locations=['mmseg_ext.metrics']
)
MODELS = root.Registry(
    'model',
    parent=root.MODELS,
    scope='mmseg_ext',
    locations=['mmseg_ext.losses', 'mmseg_ext.models'],
    build_func=root.build_model_from_cfg,
)
RUNNERS = root.Registry(
    'runner',
    parent=root.RUNNERS,
    scope='mmseg_ext',
    locations=['mmseg_ext.engine.runner'],
    build_func=root.build_runner_from_cfg,
)
TRANSFORMS = root.Registry(
    'transform',
    parent=root.TRANSFORMS,
    scope='mmseg_ext',
    locations=['mmseg_ext.transforms'],
)
