"""Stands in for PyFlink where it is not installed: what functions are declared with is ours, and any other name of it can be
imported and says what is missing when it is used."""
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types

import flott_row
import flott_types
import flott_udf
import flott_views

_OURS = ("copy", "sql_type", "accumulator_type")
_TYPES = [name for name in vars(flott_types) if not name.startswith("_") and name not in _OURS]
_FUNCTIONS = ["FunctionContext", "UserDefinedFunction", "ScalarFunction", "AsyncScalarFunction", "TableFunction"]
_FUNCTIONS += ["ImperativeAggregateFunction", "AggregateFunction", "TableAggregateFunction"]
_DECORATORS = ["udf", "udtf", "udaf", "udtaf"]
_ROWS = ["Row", "RowKind"]
_VIEWS = ["ListView", "MapView"]
# Module by module: which names of which of ours.
_MODULES = {
    "pyflink.common": [(flott_row, _ROWS)],
    "pyflink.common.types": [(flott_row, _ROWS)],
    "pyflink.table": [
        (flott_row, _ROWS),
        (flott_types, ["DataTypes"]),
        (flott_udf, _FUNCTIONS),
        (flott_views, _VIEWS),
    ],
    "pyflink.table.data_view": [(flott_views, _VIEWS)],
    "pyflink.table.types": [(flott_row, _ROWS), (flott_types, _TYPES)],
    "pyflink.table.udf": [(flott_udf, _FUNCTIONS + _DECORATORS)],
}


class Absent:
    """A name of PyFlink that is not here."""

    def __init__(self, name):
        self.__dict__["_name"] = name

    def _refuse(self, *args, **kwargs):
        hint = "functions get only what they are declared with; install apache-flink to have all of it"
        raise RuntimeError("PyFlink is not installed, and '%s' was used: %s" % (self._name, hint))

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    __call__ = __setattr__ = __getitem__ = __iter__ = __enter__ = __mro_entries__ = _refuse


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes the modules of PyFlink."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname == "pyflink" or fullname.startswith("pyflink."):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        return types.ModuleType(spec.name)

    def exec_module(self, module):
        for ours, names in _MODULES.get(module.__name__, []):
            vars(module).update((name, getattr(ours, name)) for name in names)
        module.__getattr__ = lambda name: _missing(module.__name__, name)


def _missing(module, name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Absent("%s.%s" % (module, name))


def install():
    """Takes PyFlink's place, unless it is installed."""
    if importlib.util.find_spec("pyflink") is None:
        sys.meta_path.append(Finder())


def row_class():
    """The class of rows that functions know."""
    common = sys.modules.get("pyflink.common")
    return flott_row.Row if common is None else common.Row
