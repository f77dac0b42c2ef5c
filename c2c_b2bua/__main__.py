"""`python -m c2c_b2bua` is `c2c`."""

from c2c_b2bua.cli import main

main()
