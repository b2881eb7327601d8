"""What Otterproof judges an implementation by. Importing this package registers all scenarios.

A scenario's kind is the first part of its id: the name of the module or package in here that it is in.
"""

from importlib import import_module
from pkgutil import walk_packages

# Every module, so that a scenario in a new one can't be forgotten; pytest's own and __main__ have none.
for _found in walk_packages(__path__, f"{__name__}."):
    if not _found.name.rpartition(".")[2].startswith(("test_", "__")):
        import_module(_found.name)
