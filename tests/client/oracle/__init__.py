"""The same small apps under our client and under a real uvicorn: what differs is measured."""
