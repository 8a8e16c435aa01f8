"""Orders in which the tasks of a loop may run: chosen, tried, and made as small as can be."""
