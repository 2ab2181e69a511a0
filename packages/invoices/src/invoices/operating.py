"""What an operator can mend: errors whose text is all that the command line shows of them."""

__all__ = ["OperatorError"]


class OperatorError(Exception):
    """A command cannot do its work as things are; the text says why, and what to do."""
