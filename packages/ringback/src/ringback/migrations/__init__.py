"""The tables' history, run by `ringback migrate` and by the embedded default at start."""
