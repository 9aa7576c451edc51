"""The thorough check of the data sets of a config: every list, every file, every label."""
