"""One file for each command of `c2c`; the exit codes are those of `cli`."""
