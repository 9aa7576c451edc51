"""What stands between a command line and the Runner: configs, processes, early checks."""
