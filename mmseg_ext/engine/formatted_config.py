"""A config that is formatted once."""

import copy

from mmengine.config import Config


class FormattedOnceConfig(Config):
    """MMEngine's ``Config``, whose text is made anew only after a change.

    MMEngine asks for the text five times at a run's start and once for each checkpoint; yapf takes
    a third of a second or more for it.
    """

    @classmethod
    def copy_of(cls, cfg: Config) -> 'FormattedOnceConfig':
        """Copies a config, lazy ones included."""
        other = copy.deepcopy(cfg)
        # the config's own __setattr__ would make a setting of it
        object.__setattr__(other, '__class__', cls)
        return other

    @property
    def pretty_text(self) -> str:
        """The formatted text."""
        settings = repr(self.to_dict())
        known, text = self.__dict__.get('_formatted', (None, ''))
        if settings != known:
            text = super().pretty_text
            self.__dict__['_formatted'] = (settings, text)
        return text
