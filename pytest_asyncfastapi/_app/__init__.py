"""The app under test: find it, run its lifespan, override its dependencies.

Must not know HTTP, nor pytest.
"""
