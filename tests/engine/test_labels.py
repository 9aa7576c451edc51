import pytest

from mmseg_ext.engine.labels import find_heads, label_range


@pytest.mark.parametrize(
    'model, expected',
    [
        (dict(decode_head=dict(num_classes=21)), (21, 255)),
        (dict(decode_head=[dict(num_classes=6, ignore_index=0)]), (6, 0)),
        (dict(module=dict(decode_head=dict(num_classes=3))), (3, 255)),
        (dict(decode_head=dict(num_classes=1, out_channels=1)), (2, 255)),
        (dict(type='SomethingElse'), None),
    ],
)
def test_label_range(model, expected):
    assert label_range(model) == expected


def test_every_head_is_found_by_its_path():
    head = dict(num_classes=3)
    model = dict(decode_head=head, auxiliary_head=[head, dict(type='NoClasses')])
    assert find_heads(model) == {'model.decode_head': head, 'model.auxiliary_head[0]': head}
    assert next(iter(find_heads(dict(module=model)))) == 'model.module.decode_head'
