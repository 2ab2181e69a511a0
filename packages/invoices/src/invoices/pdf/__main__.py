"""The child process of `Renderer`: an order on standard input, a PDF on standard output."""

import sys

from invoices.pdf.document import PdfFailed, PdfRefused


def main() -> int:
    """Sets one order within the memory that the first argument allows. Returns the exit code."""
    limit_memory(int(sys.argv[1]))
    from invoices.pdf._typesetting import typeset
    from invoices.pdf.render import REFUSED

    try:
        sys.stdout.buffer.write(typeset(sys.stdin.buffer.read()))
    except PdfFailed as error:
        sys.stderr.buffer.write(str(error).encode())
        return REFUSED if isinstance(error, PdfRefused) else 1
    return 0


def limit_memory(size: int) -> None:
    """Bounds this process's address space, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    sys.exit(main())
