from tests.wire import faults, library, mode, new_scope, scope, upstream

__all__ = ["faults", "library", "mode", "new_scope", "scope", "upstream"]
