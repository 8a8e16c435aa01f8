"""Records and helpers that every package uses; nothing here imports another package."""
