import copy

from mmengine.config import Config
from yapf.yapflib import yapf_api

from mmseg_ext.engine.formatted_config import FormattedOnceConfig


def test_the_text_is_the_stock_one_and_made_again_after_a_change(tiny_config, monkeypatch):
    stock = Config.fromfile(tiny_config)
    cfg = FormattedOnceConfig.copy_of(stock)
    calls, format_code = [], yapf_api.FormatCode

    def count(text, **options):
        calls.append(text)
        return format_code(text, **options)

    monkeypatch.setattr(yapf_api, 'FormatCode', count)
    assert cfg.pretty_text == cfg.pretty_text == copy.deepcopy(cfg).pretty_text
    assert len(calls) == 1
    cfg.model.decode_head.channels = stock.model.decode_head.channels = 17
    assert cfg.pretty_text == stock.pretty_text
    assert 'channels=17' in cfg.pretty_text and len(calls) == 3
    assert '_formatted' not in cfg.pretty_text and cfg.to_dict() == stock.to_dict()


def test_a_copy_leaves_the_original_alone():
    stock = Config(dict(a=dict(b=1)), filename=None)
    cfg = FormattedOnceConfig.copy_of(stock)
    cfg.a.b = 2
    assert stock.a.b == 1 and type(stock) is Config and type(cfg) is FormattedOnceConfig
