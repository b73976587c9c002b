"""The loop over frames: what a function is, then its calls, batch by batch.

A frame is its length (8 bytes, the lowest first), its kind (1 byte) and its bytes."""
import importlib.util
import json
import os
import struct
import sys

import flott_pyflink
import flott_report
from flott_failure import Failure

HEAD = struct.Struct("<QB")
AT_ONCE = 65536


class Ended(Exception):
    """The host is gone."""


class Wire:
    """Frames over the channel."""

    def __init__(self, channel):
        self._channel = channel
        self._head = bytearray(HEAD.size)

    def receive(self, allocate=bytearray):
        self._fill(memoryview(self._head))
        length, kind = HEAD.unpack(self._head)
        payload = allocate(length)
        self._fill(memoryview(payload).cast("B") if length else memoryview(b""))
        return chr(kind), payload

    def _fill(self, view):
        while view:
            try:
                count = self._channel.recv_into(view)
            except OSError:
                count = 0
            if not count:
                raise Ended
            view = view[count:]

    def send(self, kind, payload):
        payload = memoryview(payload).cast("B") if len(payload) else memoryview(b"")
        # In one piece where it is small: two would be two wakes of the host.
        first = HEAD.pack(len(payload), ord(kind)) + bytes(payload[:AT_ONCE])
        try:
            self._channel.sendall(first)
            self._channel.sendall(payload[AT_ONCE:])
        except OSError:
            raise Ended


class Files:
    """Modules that are single files, wherever they lie: `python.files` with names that end in `.py`."""

    def __init__(self, paths):
        self._paths = {os.path.splitext(os.path.basename(path))[0]: path for path in paths}

    def find_spec(self, fullname, path=None, target=None):
        found = self._paths.get(fullname)
        return importlib.util.spec_from_file_location(fullname, found) if found else None


def need(packages):
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise Failure("package", " ".join(missing))


def begin(wire):
    """Which files there are, before anything of the user is loaded."""
    _, payload = wire.receive()
    begun = json.loads(bytes(payload))
    if begun["files"]:
        sys.meta_path.insert(0, Files(begun["files"]))
    flott_pyflink.install()
    return begun


def describe(entry):
    from flott_load import describe as of_entry

    return json.dumps(of_entry(entry)).encode()


def run(channel):
    wire, session = Wire(channel), Session()
    try:
        begin(wire)
        while not session.closed:
            session.answer(wire)
    except Ended:
        session.close()


class Session:
    """What the host has asked for so far."""

    def __init__(self):
        self._worker = None
        self.closed = False

    def answer(self, wire):
        worker = self._worker
        kind, payload = wire.receive() if worker is None else wire.receive(worker.allocate)
        try:
            if kind == "D":
                need(["pyarrow", "numpy"])
                wire.send("d", describe(bytes(payload).decode()))
            elif kind == "O":
                need(["pyarrow", "numpy"])
                from flott_worker import Worker

                self._worker = Worker(json.loads(bytes(payload)))
                wire.send("o", json.dumps({"pandas": self._worker.pandas}).encode())
                wire.send("s", self._worker.results())
            elif kind == "S":
                worker.schema(payload)
            elif kind == "B":
                wire.send("b", worker.batch(payload))
            elif kind == "C":
                self.close()
                wire.send("c", b"")
        except MemoryError as e:
            wire.send("e", json.dumps(flott_report.of(Failure("memory", "it ran out of memory", cause=e))).encode())
        except Failure as failure:
            wire.send("e", json.dumps(flott_report.of(failure)).encode())

    def close(self):
        self.closed = True
        if self._worker is not None:
            self._worker.close()
