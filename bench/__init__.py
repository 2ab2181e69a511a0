"""The benchmark: what Ringback does on this machine, beside its peers in the same minutes."""
