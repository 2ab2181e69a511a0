"""What is measured, one module each: `prepare(given)` sets up and returns what is then timed."""
