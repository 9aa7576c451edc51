import pytest

from mmseg_ext.hooks import ValSheetHook


def test_names_the_setting_that_is_wrong():
    with pytest.raises(ValueError, match='num_images >= 1, got 0'):
        ValSheetHook(num_images=0)
