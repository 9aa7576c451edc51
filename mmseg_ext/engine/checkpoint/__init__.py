"""Checkpoint files: written whole, read safely, matched with a network."""
