# The first thing that Python runs: takes standard input as the channel, and the rest of our side through it.
import importlib.abc
import importlib.machinery
import json
import os
import socket
import struct
import sys

channel = socket.socket(fileno=os.dup(0))
# Whoever reads standard input reads nothing. Standard output goes to the log.
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0)
os.close(nothing)


def read(length):
    pieces = []
    while length:
        piece = channel.recv(length)
        if not piece:
            sys.exit(0)
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


class Ours(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds our side, which lies in no file."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, fullname, path=None, target=None):
        return importlib.machinery.ModuleSpec(fullname, self) if fullname in self.sources else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        source = self.sources[module.__name__]
        exec(compile(source, "<%s>" % module.__name__, "exec"), module.__dict__)


sys.meta_path.append(Ours(json.loads(read(struct.unpack("<QB", read(9))[0]))))
import flott_main  # noqa: E402

flott_main.run(channel)
