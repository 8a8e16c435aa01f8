"""The base class of the errors that this package raises in tests and apps."""


class AsyncFastAPIError(Exception):
    """Base of all errors of this package; each is also an error of a built-in class."""
