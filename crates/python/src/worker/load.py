"""Finds functions, and says what they are."""
import hashlib
import importlib
import inspect
import os

from flott_failure import Failure
from flott_types import accumulator_type, sql_type


def load(entry):
    """What a module has under a name, and the file and the hash of the module if it is one file."""
    module_name, _, name = entry.rpartition(".")
    if not module_name:
        raise Failure("entry", "'%s' is no function of a module: write 'module.function'" % entry)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as e:
        if e.name and (module_name == e.name or module_name.startswith(e.name + ".")):
            raise Failure("entry", "there is no module '%s'" % e.name)
        raise Failure("load", "module '%s' cannot be loaded" % module_name, cause=e)
    except BaseException as e:
        raise Failure("load", "module '%s' cannot be loaded" % module_name, cause=e)
    if not hasattr(module, name):
        raise Failure("entry", "module '%s' has no '%s'" % (module_name, name))
    declared = getattr(module, name)
    if not hasattr(declared, "_func") or not hasattr(declared, "_func_type"):
        message = "'%s' is not declared as a function: decorate it with @udf(result_type=...)" % entry
        raise Failure("declaration", message)
    return declared, file_of(module)


def file_of(module):
    path = getattr(module, "__file__", None)
    if not path or not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return {"path": os.path.abspath(path), "sha256": hashlib.sha256(file.read()).hexdigest()}


def is_async(declared):
    function = declared._func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "eval", None))


def kind_of(declared):
    """What a declared function gives: one of ours says it, one of PyFlink by its class."""
    if hasattr(declared, "_kind"):
        return declared._kind
    name = type(declared).__name__
    if "Table" in name:
        return "table"
    if "Aggregate" in name:
        return "table aggregate" if getattr(declared, "_is_table_aggregate", False) else "aggregate"
    return "scalar"


def rows_type(declared):
    """The type of all rows that a table function gives for one. As in PyFlink, columns are f0, f1 .. unless it is said in SQL."""
    said = declared._result_types
    if isinstance(said, str):
        text = said if said.lstrip().upper().startswith("ROW") else "ROW<f0 %s>" % said
    else:
        text = "ROW<%s>" % ", ".join("f%d %s" % (at, sql_type(t)) for at, t in enumerate(said))
    return "ARRAY<%s NOT NULL> NOT NULL" % text


def _check_scalar(result):
    if result.upper().startswith(("ROW", "MAP", "MULTISET")):
        raise TypeError("an aggregate function of pandas gives no %s, as in PyFlink" % result)


def describe(entry):
    """All that the host must know of a function."""
    declared, file = load(entry)
    kind = kind_of(declared)
    described = {"kind": kind, "file": file, "deterministic": bool(declared._deterministic)}
    if kind == "table aggregate":
        return described
    if is_async(declared) and declared._func_type != "general":
        raise Failure("declaration", "an async function takes a row at a time: leave out func_type")
    if is_async(declared) and kind != "scalar":
        raise Failure("declaration", "an async function gives one value for one row")
    try:
        inputs = declared._input_types
        described["inputs"] = None if inputs is None else [sql_type(t) for t in inputs]
        described["result"] = rows_type(declared) if kind == "table" else sql_type(declared._result_type)
        if kind == "aggregate" and declared._func_type == "pandas":
            _check_scalar(described["result"])
        elif kind == "aggregate":
            text = accumulator_type(declared._accumulator_type)
            described["accumulator"] = "%s NOT NULL" % text.removesuffix(" NOT NULL")
    except TypeError as e:
        raise Failure("declaration", str(e))
    described["form"] = "async" if is_async(declared) else declared._func_type
    return described
