"""Declares functions, under PyFlink's names: the decorators and what classes of functions derive from."""
import abc
import functools
import inspect


class FunctionContext:
    """What a function learns when it is opened."""

    def __init__(
        self,
        base_metric_group,
        job_parameters,
        task_name=None,
        task_name_with_subtasks=None,
        number_of_parallel_subtasks=None,
        max_number_of_parallel_subtasks=None,
        index_of_this_subtask=None,
        attempt_number=None,
    ):
        self._job_parameters = job_parameters
        self._task_name = task_name
        self._task_name_with_subtasks = task_name_with_subtasks
        self._parallelism = number_of_parallel_subtasks
        self._max_parallelism = max_number_of_parallel_subtasks
        self._index = index_of_this_subtask
        self._attempt = attempt_number

    def get_metric_group(self):
        raise RuntimeError("metrics of functions in Python are not supported yet")

    def get_job_parameter(self, key, default_value):
        return self._job_parameters.get(key, default_value)

    def get_task_name(self):
        return _known(self._task_name, "the name of the task")

    def get_task_name_with_subtasks(self):
        return _known(self._task_name_with_subtasks, "the name of the task")

    def get_number_of_parallel_subtasks(self):
        return self._parallelism

    def get_max_number_of_parallel_subtasks(self):
        return self._max_parallelism

    def get_index_of_this_subtask(self):
        return self._index

    def get_attempt_number(self):
        return _known(self._attempt, "the number of the attempt")


def _known(value, what):
    if value is None:
        raise RuntimeError("a function in Python does not learn %s yet" % what)
    return value


class UserDefinedFunction(abc.ABC):
    """What all functions derive from."""

    def open(self, function_context):
        pass

    def close(self):
        pass

    def is_deterministic(self):
        return True


class ScalarFunction(UserDefinedFunction):
    """A value for each row."""

    @abc.abstractmethod
    def eval(self, *args):
        pass


class AsyncScalarFunction(UserDefinedFunction):
    """A value for each row, for many rows at once."""

    @abc.abstractmethod
    async def eval(self, *args):
        pass


class TableFunction(UserDefinedFunction):
    """Rows for each row."""

    @abc.abstractmethod
    def eval(self, *args):
        pass


class ImperativeAggregateFunction(UserDefinedFunction):
    """What is remembered of each group."""

    @abc.abstractmethod
    def create_accumulator(self):
        pass

    @abc.abstractmethod
    def accumulate(self, accumulator, *args):
        pass

    def retract(self, accumulator, *args):
        raise RuntimeError("rows are taken back, and it has no method retract()")

    def merge(self, accumulator, accumulators):
        raise RuntimeError("groups are put together, and it has no method merge()")

    def get_result_type(self):
        raise RuntimeError("it has no result type: declare one, or define get_result_type()")

    def get_accumulator_type(self):
        raise RuntimeError("it has no accumulator type: declare one, or define get_accumulator_type()")


class AggregateFunction(ImperativeAggregateFunction):
    """A value for each group."""

    @abc.abstractmethod
    def get_value(self, accumulator):
        pass


class TableAggregateFunction(ImperativeAggregateFunction):
    """Rows for each group."""


class Declared:
    """A function with what its decorator says of it."""

    def __init__(
        self, func, kind, func_type, input_types, result_type, deterministic, name, accumulator_type=None
    ):
        if inspect.isclass(func) or not (isinstance(func, UserDefinedFunction) or callable(func)):
            raise TypeError("%r is no function and no instance of a class of functions" % (func,))
        if deterministic is None:
            deterministic = func.is_deterministic() if isinstance(func, UserDefinedFunction) else True
        elif isinstance(func, UserDefinedFunction) and deterministic != func.is_deterministic():
            raise ValueError("deterministic=%s, and is_deterministic() says otherwise" % deterministic)
        self._func = func
        self._kind = kind
        self._func_type = func_type
        self._input_types = _types(input_types)
        if kind == "table":
            self._result_types = result_type if isinstance(result_type, str) else _types(result_type)
        elif kind == "aggregate":
            self._aggregates(func, result_type, accumulator_type)
        else:
            self._result_type = result_type
        self._deterministic = deterministic
        self._name = name or getattr(func, "__name__", type(func).__name__)

    def _aggregates(self, func, result_type, accumulator_type):
        of_pandas = self._func_type == "pandas"
        if not isinstance(func, AggregateFunction):
            if not of_pandas:
                raise TypeError("%r is no instance of a class of AggregateFunction" % (func,))
            if result_type is None:
                raise TypeError("udaf() needs the argument result_type")
        self._result_type = func.get_result_type() if result_type is None else result_type
        if of_pandas:
            # It remembers nothing: all rows of a value come at once.
            return
        self._accumulator_type = func.get_accumulator_type() if accumulator_type is None else accumulator_type

    def alias(self, *names):
        self._alias_names = names
        return self

    def __call__(self, *args):
        raise TypeError("the function '%s' is for queries; Python calls what it is made of" % self._name)


def _types(given):
    """The types of the arguments as a list, or none."""
    if given is None:
        return None
    if hasattr(given, "field_types"):
        return given.field_types()
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _declare(kind, func, func_type, allowed, **said):
    if func_type not in allowed:
        raise ValueError("func_type is %r, and may be one of: %s" % (func_type, ", ".join(allowed)))
    if func is None:
        return functools.partial(_declare, kind, func_type=func_type, allowed=allowed, **said)
    return Declared(func, kind, func_type, **said)


def udf(f=None, input_types=None, result_type=None, deterministic=None, name=None, func_type="general"):
    """A function that gives a value for each row."""
    if result_type is None:
        raise TypeError("udf() needs the argument result_type")
    said = {"input_types": input_types, "result_type": result_type, "deterministic": deterministic, "name": name}
    return _declare("scalar", f, func_type, ("general", "pandas", "arrow"), **said)


def udtf(f=None, input_types=None, result_types=None, deterministic=None, name=None):
    """A function that gives rows for each row."""
    if result_types is None:
        raise TypeError("udtf() needs the argument result_types")
    said = {"input_types": input_types, "result_type": result_types, "deterministic": deterministic, "name": name}
    return _declare("table", f, "general", ("general",), **said)


def udaf(
    f=None,
    input_types=None,
    result_type=None,
    accumulator_type=None,
    deterministic=None,
    name=None,
    func_type="general",
):
    """A function that gives a value for each group."""
    said = {"input_types": input_types, "result_type": result_type, "deterministic": deterministic, "name": name}
    return _declare("aggregate", f, func_type, ("general", "pandas"), accumulator_type=accumulator_type, **said)


def udtaf(
    f=None,
    input_types=None,
    result_type=None,
    accumulator_type=None,
    deterministic=None,
    name=None,
    func_type="general",
):
    """A function that gives rows for each group."""
    said = {"input_types": input_types, "result_type": result_type, "deterministic": deterministic, "name": name}
    return _declare("table aggregate", f, func_type, ("general",), **said)
