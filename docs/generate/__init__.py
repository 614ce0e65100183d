"""Pages of the documentation that are written by a command, so that they cannot say what is not so: `make docs`."""
