import time
from types import SimpleNamespace

import pytest
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, MessageHub

from mmseg_ext.hooks.run_summary_hook import describe_cost
from mmseg_ext.hooks.timed import timed


class Sleeper(Hook):
    @timed
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        time.sleep(0.02)
        if batch_idx == 2:
            raise ValueError('no')
        return 'done'


def test_adds_up_time_and_calls_an_error_included():
    hook = Sleeper()
    assert [hook.before_train_iter(None, index) for index in range(2)] == ['done', 'done']
    with pytest.raises(ValueError):
        hook.before_train_iter(None, 2)
    assert hook.calls == 3 and 0.06 <= hook.seconds < 0.5
    assert not hasattr(Sleeper(), 'seconds')


def test_the_cost_of_a_step_is_that_of_every_hook_over_the_steps_of_this_start(monkeypatch):
    hub = MessageHub.get_instance(str(time.time()))
    # three steps of an earlier start, which a resume brings back, then two of this
    monkeypatch.setitem(hub.log_scalars, 'train/time', HistoryBuffer([9, 9, 9, 0.1, 0.3], [1] * 5))
    hooks = [SimpleNamespace(seconds=0.002), SimpleNamespace(seconds=0.006), SimpleNamespace()]
    runner = SimpleNamespace(hooks=hooks, message_hub=hub)
    assert describe_cost(runner, steps=2) == (
        'checks and records took 4.0 ms a step, 2.0% of its 200 ms'
    )
    assert describe_cost(runner, steps=0) is None
    hub.log_scalars.clear()
    assert describe_cost(runner, steps=2) is None
