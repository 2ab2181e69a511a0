"""``python -m invoices`` does what the command ``invoices`` does."""

from invoices.cli import main

main()
