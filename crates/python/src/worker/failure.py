"""What goes wrong, as the host is told."""


class Failure(Exception):
    """Who must act, what has happened, in which row, and what Python raised."""

    def __init__(self, kind, message, row=None, cause=None, function=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.row = row
        self.cause = cause
        self.function = function
        # The arguments of the row, whose texts no message may have.
        self.arguments = ()
