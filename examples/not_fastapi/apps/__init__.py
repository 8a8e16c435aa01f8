"""The same small service three times: on Starlette, on Litestar, and on nothing at all."""
