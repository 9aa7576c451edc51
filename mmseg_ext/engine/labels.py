"""Which labels a network can take."""

from .errors import UsageError


def find_heads(model: dict) -> dict[str, dict]:
    """The configs of the heads of a network, or of one wrapped for TTA, by their dotted path."""
    path, model = ('model.module', model['module']) if 'module' in model else ('model', model)
    heads = {}
    for name in ('decode_head', 'auxiliary_head'):
        found = model.get(name) or []
        if isinstance(found, dict):
            heads[f'{path}.{name}'] = found
        else:
            heads.update({f'{path}.{name}[{index}]': head for index, head in enumerate(found)})
    return {key: head for key, head in heads.items() if 'num_classes' in head}


def label_range(model: dict) -> tuple[int, int] | None:
    """Number of classes and the ignored label of a network's config; None if it names no classes.

    A network with one output channel tells two classes apart.
    """
    heads = list(find_heads(model).values())
    if not heads:
        return None
    head = heads[0]
    return max(head['num_classes'], 2), head.get('ignore_index', 255)


def bad_label(file: str, value: int, num_classes: int, ignore_index: int) -> UsageError:
    """The error for a label outside the classes."""
    return UsageError(
        f'{file} holds label {value}; the network has {num_classes} classes, '
        f'so 0 to {num_classes - 1} and {ignore_index} (ignored) are allowed'
    )
