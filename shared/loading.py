"""Imported before all else by the `__main__` of a process. Loading its modules makes hundreds of thousands of
objects, and all stay: to look among them for garbage again and again was a fifth of each start (of the
donation service 0.3 of 1.7 s of a core).
"""

import gc
from typing import Final

AT_MOST: Final = 50_000
"""Objects made and not thrown away between two looks. A batch of 2,000 donations makes 20,000, none of them
garbage that has to be looked for; at Python's 700 the looks took a tenth of its time.
"""

gc.disable()


def done() -> None:
    """Everything is loaded: look for garbage again, but not among what is here now."""
    gc.freeze()
    gc.set_threshold(AT_MOST)
    gc.enable()
