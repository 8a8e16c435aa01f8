"""What can block an event loop: C callables by identity, Python ones by name.

An entry says what the call is, in which category it falls, how to tell a
blocking call from a harmless one (`judge`) and what to write instead. This
package knows nothing of threads, frames, guards or pytest.
"""

from .c_functions import C_TABLE, Catalog
from .kinds import CATEGORIES, JUDGES, Category, Entry, Judge, NamedFunction
from .python_functions import NAMED, by_package, find_named

__all__ = [
    "CATEGORIES",
    "C_TABLE",
    "JUDGES",
    "NAMED",
    "Catalog",
    "Category",
    "Entry",
    "Judge",
    "NamedFunction",
    "by_package",
    "find_named",
]
