import ctypes
import os
import signal
import sys
import threading

from pyflink.table import ScalarFunction
from pyflink.table.udf import udf

ok = udf(lambda a: a, result_type="BIGINT")


def at_seven(act):
    """A function that does something bad at the value 7."""
    return udf(lambda a: act() if a == 7 else a, result_type="BIGINT")


killed = at_seven(lambda: os.kill(os.getpid(), signal.SIGKILL))
exited = at_seven(lambda: os._exit(3))
ended = at_seven(lambda: sys.exit(4))
crashed = at_seven(lambda: ctypes.string_at(0))
stopping = at_seven(lambda: next(iter([])))
recursive = at_seven(lambda: (lambda f: f(f))(lambda f: f(f)))


def forever():
    while True:
        pass


endless = at_seven(forever)


def allocate():
    kept = []
    while True:
        kept.append(bytearray(16 << 20))


greedy = at_seven(allocate)


def parsed(secret):
    return int("x" + secret)


@udf(result_type="BIGINT")
def raising(a, secret):
    return parsed(secret) if a == 7 else a


@udf(result_type="BIGINT")
def telling(a, secret):
    if a == 7:
        raise LookupError("no price for %s in %r, %d left" % (secret, {"key": secret}, 4711))
    return a


@udf(result_type="BIGINT", func_type="pandas")
def raising_series(a, secret):
    raise KeyError(secret[0])


@udf(result_type="BIGINT", func_type="pandas")
def short(a):
    return a[:1]


@udf(result_type="BIGINT", func_type="pandas")
def wrong_series(a):
    return a.map(lambda _: "secret")


@udf(result_type="BIGINT", func_type="pandas")
def no_series(a):
    return 1


@udf(result_type="BIGINT", func_type="arrow")
def short_array(a):
    return a[:1]


@udf(result_type="BIGINT", func_type="arrow")
def wrong_array(a):
    import pyarrow as pa

    return pa.array(["secret"] * len(a))


@udf(result_type="BIGINT")
def printing(a):
    print("printed %d" % a)
    sys.stderr.write("warned\n")
    os.write(1, b"raw\n" * 20000)
    assert sys.stdin.read() == ""
    return a


@udf(result_type="BIGINT")
def forking(a):
    child = os.fork()
    if not child:
        os._exit(0)
    return os.waitpid(child, 0)[1]


@udf(result_type="BIGINT")
def threading_(a):
    threading.Thread(target=forever, daemon=True).start()
    return a


class Unopened(ScalarFunction):
    def open(self, function_context):
        raise ConnectionError("no connection to the model")

    def eval(self, a):
        return a


unopened = udf(Unopened(), result_type="BIGINT")


class Unclosed(ScalarFunction):
    def eval(self, a):
        return a

    def close(self):
        raise OSError("not closed")


unclosed = udf(Unclosed(), result_type="BIGINT")


class Metered(ScalarFunction):
    def open(self, function_context):
        function_context.get_metric_group().counter("c")

    def eval(self, a):
        return a


metered = udf(Metered(), result_type="BIGINT")
