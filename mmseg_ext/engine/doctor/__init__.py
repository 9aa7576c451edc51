"""The stack and the machine, row by row: what was found, whether training can run, how to mend it.

Only the standard library is imported here, and whatever is examined inside the function that does
so: the doctor has to speak in installs where everything else is broken.
"""

from .examine import examine
from .report import can_train, print_rows, to_json
from .row import Row

__all__ = ['Row', 'can_train', 'examine', 'print_rows', 'to_json']
