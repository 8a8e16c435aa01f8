"""The guard and its peers over the corpus of tests/blocking: what they find, what they cry over."""
