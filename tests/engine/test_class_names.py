import pytest
from mmseg.datasets import ADE20KDataset

from mmseg_ext.engine.class_names import find_classes, name_twice, of_classes
from mmseg_ext.engine.errors import UsageError

KNOWN = ['road', 'light', 'traffic light', 'bed ', 'wall, painted']


@pytest.mark.parametrize(
    'words, found',
    [
        (['road,light'], ['road', 'light']),
        (['light', 'road'], ['road', 'light']),
        (['traffic', 'light'], ['traffic light']),
        (['traffic light', 'light'], ['light', 'traffic light']),
        (['road', 'traffic', 'light,', 'light'], ['road', 'light', 'traffic light']),
        (['Road', 'road', 'BED'], ['road', 'bed ']),
        (['wall, painted', 'road'], ['road', 'wall, painted']),
    ],
)
def test_names_are_found_however_they_are_separated(words, found):
    assert [KNOWN[place] for place in find_classes(words, KNOWN)] == found


@pytest.mark.parametrize('words', [[], [''], [', ,']])
def test_no_name(words):
    with pytest.raises(UsageError, match='no class is named; the data set has road, light'):
        find_classes(words, KNOWN)


def test_an_unknown_name_has_the_nearest():
    with pytest.raises(UsageError, match="no class 'trafic light'; did you mean traffic light"):
        find_classes(['road,trafic light'], KNOWN)
    with pytest.raises(UsageError, match="no class 'xyz'; there are road, light, traffic light"):
        find_classes(['xyz'], KNOWN)


def test_a_name_that_occurs_twice():
    assert name_twice(KNOWN) is None
    assert name_twice(['road', 'car', ' Road', 'car']) == (0, 2)


def test_what_a_mean_is_over():
    assert of_classes(['a', 'b'], 'abc') == ' over 2 of 3 classes'
    assert of_classes(None, 'abc') == of_classes([0, 1, 2], 'abc') == ''


def test_every_class_of_ade20k_is_found_by_its_name():
    classes = ADE20KDataset.METAINFO['classes']
    assert find_classes([name.strip() for name in classes], classes) == list(range(150))
    assert find_classes([','.join(classes)], classes) == list(range(150))
