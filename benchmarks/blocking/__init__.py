"""The guard and other tools over the corpus of tests/blocking: findings and false alarms."""
