"""A parcel service, twice: sound, and in a hurry, with a bug in each endpoint."""
