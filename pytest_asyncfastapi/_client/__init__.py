"""The way in: ASGI messages on one side, httpx responses on the other.

Knows ASGI, httpx and httpx2; must not know pytest, nor what the app calls.
"""
