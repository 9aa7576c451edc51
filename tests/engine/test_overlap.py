import pytest
from mmengine.config import ConfigDict

from mmseg_ext.engine import overlap, preflight
from mmseg_ext.engine.config import complete_config
from mmseg_ext.engine.errors import UsageError
from mmseg_ext.engine.overlap import Part, check_overlap


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr(overlap, 'print_log', lambda message, **_: said.append(message))
    return said


@pytest.fixture
def cfg(tiny):
    complete_config(tiny)
    return tiny


def part(name, *images, folder='/voc', path='train'):
    return Part(f'{path}_dataloader.dataset', f'{folder}/{name}.txt', frozenset(images))


@pytest.mark.parametrize('whole', ['trainaug', 'train_aug'])
@pytest.mark.parametrize('other', ['aug', 'train'])
def test_trainaug_beside_its_parts_is_refused(whole, other):
    parts = [part(whole, 'a.jpg', 'b.jpg'), part(other, 'b.jpg')]
    for order in (parts, parts[::-1]):
        with pytest.raises(UsageError, match=rf'b\.jpg for one, .* train on {whole}\.txt alone'):
            check_overlap(order, [])


def test_train_and_aug_pass_without_a_word(warnings):
    check_overlap([part('train', 'a.jpg'), part('aug', 'b.jpg')], [part('val', 'c.jpg')])
    assert not warnings


def test_oversampling_on_purpose_passes_with_a_warning(warnings):
    train = part('train', 'a.jpg', 'b.jpg')
    check_overlap([train, train], [])
    check_overlap([train, part('rare', 'b.jpg')], [])
    assert len(warnings) == 2 and 'share 1 images, b.jpg for one' in warnings[1]


def test_names_of_another_tree_are_no_overlap(warnings):
    check_overlap([part('trainaug', '/a/1.jpg'), part('aug', '/b/1.jpg')], [])
    assert not warnings


def test_a_validation_image_in_a_training_list_is_refused():
    val = part('val', 'b.jpg', 'c.jpg', path='val')
    with pytest.raises(UsageError, match=r'all\.txt\) and val.*share 2 images, b\.jpg for'):
        check_overlap([part('all', 'a.jpg', 'b.jpg', 'c.jpg')], [val])


def test_training_on_trainval_is_a_warning(warnings):
    """Its name says that the validation images are in it."""
    val = part('val', 'b.jpg', path='val')
    check_overlap([part('trainval', 'a.jpg', 'b.jpg')], [val])
    assert len(warnings) == 1 and 'share 1 images, b.jpg for one' in warnings[0]


@pytest.mark.parametrize('where', ['two parts', 'validation'])
def test_what_is_refused_can_be_allowed(warnings, where):
    train, val = [part('trainaug', 'a.jpg'), part('aug', 'a.jpg')], []
    if where == 'validation':
        train, val = [part('all', 'a.jpg')], [part('val', 'a.jpg', path='val')]
    with pytest.raises(UsageError, match=r'--allow-overlap, or guards\.allow_overlap=True'):
        check_overlap(train, val)
    check_overlap(train, val, allowed=True)
    assert len(warnings) == 1 and 'a.jpg for one' in warnings[0]


def test_learning_a_list_by_heart_is_a_warning(warnings):
    check_overlap([part('train', 'a.jpg')], [part('train', 'a.jpg', path='val')])
    assert 'learned by heart' in warnings[0]


def test_a_config_is_looked_through(cfg, warnings, voc_root, tmp_path):
    loader = cfg.train_dataloader
    folder = voc_root / 'ImageSets/Segmentation'
    names = (folder / 'train.txt').read_text().split()
    lists = {}
    for name, content in {
        'trainaug': names,
        'twice': [*names, names[0]],
        'leaking': [*names, (folder / 'val.txt').read_text().split()[0]],
    }.items():
        lists[name] = tmp_path / f'{name}.txt'
        lists[name].write_text(''.join(f'{line}\n' for line in content))

    def use(*files):
        parts = [dict(loader.dataset, ann_file=str(file)) for file in files]
        cfg.train_dataloader = ConfigDict(
            loader, dataset=ConfigDict(type='ConcatDataset', datasets=parts)
        )

    use(folder / 'train.txt')
    preflight.check(cfg)
    assert not warnings
    use(lists['twice'])
    preflight.check(cfg)
    assert f'names 1 images more than once, {voc_root}/JPEGImages/{names[0]}.jpg' in warnings[0]
    use(folder / 'train.txt', lists['trainaug'])
    with pytest.raises(UsageError, match=r'datasets\[1\] .*; train on trainaug\.txt alone'):
        preflight.check(cfg)
    use(lists['leaking'])
    with pytest.raises(UsageError, match=r'leaking\.txt\) and val_dataloader.*share 1 images'):
        preflight.check(cfg)
    cfg.guards.allow_overlap = True
    preflight.check(cfg)
    assert 'leaking.txt' in warnings[-1]


def test_repeat_dataset_passes(cfg, warnings):
    cfg.train_dataloader.dataset = ConfigDict(
        type='RepeatDataset', times=3, dataset=cfg.train_dataloader.dataset
    )
    preflight.check(cfg)
    assert not warnings
