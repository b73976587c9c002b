"""What the host is told of a failure: which exception, and where; no value of a row."""
import builtins
import importlib
import re
import traceback

# In these no row has been seen yet, and the message of the exception is as it is.
_BEFORE_ROWS = ("load", "open", "entry", "declaration", "changed")
_QUOTED = re.compile("""'([^']*)'|"([^"]*)\"""")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d_.]*(?:[eE][-+]?\d+)?")
_WORDS = set(dir(builtins)) | {"NoneType", "Series", "DataFrame", "Row", "Decimal", "date", "datetime", "time", "ndarray"}
_TEXT_MIN = 2


def of(failure):
    report = {"kind": failure.kind, "message": failure.message, "function": failure.function, "row": failure.row}
    if failure.cause is None:
        return report
    if failure.kind != "result":
        report["raised"] = _raised(failure)
        report["traceback"] = _places(failure.cause)
    elif _text(failure.cause):
        # Raised by what converts, whose lines say nothing to the user.
        report["raised"] = _without_values(_text(failure.cause), ())
    return report


def _raised(failure):
    cause = failure.cause
    if failure.kind in _BEFORE_ROWS:
        return "".join(traceback.format_exception_only(type(cause), cause)).strip()
    text = _without_values(_text(cause), failure.arguments)
    name = type(cause).__name__
    return "%s: %s" % (name, text) if text else name


def _text(cause):
    try:
        return str(cause)
    except Exception:
        return ""


def _without_values(text, arguments):
    """A message without what may come from a row: its arguments, numbers, and what is quoted and no word of Python."""
    for argument in arguments:
        for shown in (str(argument), repr(argument)):
            if len(shown) >= _TEXT_MIN and shown not in _WORDS:
                text = text.replace(shown, "?")
    text = _QUOTED.sub(lambda quoted: quoted[0] if (quoted[1] or quoted[2]) in _WORDS else "'?'", text)
    return _NUMBER.sub("?", text)


def _places(cause):
    """Where it was raised: the user's lines, innermost last."""
    ours = lambda frame: frame.filename.startswith(("<flott_", "<frozen ")) or frame.filename == importlib.__file__
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if not ours(frame)]
    return "".join(traceback.format_list(frames)).rstrip()
