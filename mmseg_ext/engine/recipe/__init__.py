"""A leaf's recipe in numbers, and what keeps it on another number of GPUs."""
