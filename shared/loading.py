"""Imported before all else by the `__main__` of a process. Loading its modules makes hundreds of thousands of
objects, and all stay: to look among them for garbage again and again was a fifth of each start (of the
donation service 0.3 of 1.7 s of a core).
"""

import gc

gc.disable()


def done() -> None:
    """Everything is loaded: look for garbage again, but not among what is here now."""
    gc.freeze()
    gc.enable()
