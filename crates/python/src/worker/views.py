"""List views and map views of accumulators: PyFlink keeps each in a state of its own, here they are part of what is remembered."""
import sys


class ListView:
    """A list in an accumulator."""

    def __init__(self):
        self._list = []

    def get(self):
        return self._list

    def add(self, value):
        self._list.append(value)

    def add_all(self, values):
        self._list.extend(values)

    def clear(self):
        self._list = []

    def __iter__(self):
        return iter(self._list)

    def __eq__(self, other):
        return isinstance(other, ListView) and self._list == other._list

    def __hash__(self):
        return hash(tuple(self._list))


class MapView:
    """A map in an accumulator. What is not in it is none."""

    def __init__(self):
        self._map = {}

    def get(self, key):
        return self._map.get(key)

    def put(self, key, value):
        self._map[key] = value

    def put_all(self, dict_value):
        self._map.update(dict_value)

    def remove(self, key):
        self._map.pop(key, None)

    def contains(self, key):
        return key in self._map

    def items(self):
        return self._map.items()

    def keys(self):
        return self._map.keys()

    def values(self):
        return self._map.values()

    def is_empty(self):
        return not self._map

    def clear(self):
        self._map = {}

    def __contains__(self, key):
        return self.contains(key)

    def __getitem__(self, key):
        return self.get(key)

    def __setitem__(self, key, value):
        self.put(key, value)

    def __delitem__(self, key):
        self.remove(key)

    def __iter__(self):
        return iter(self._map)

    def __eq__(self, other):
        return isinstance(other, MapView) and self._map == other._map

    def __hash__(self):
        return hash(frozenset(self._map.items()))


class Views:
    """Where an accumulator of a declared type has views: it is one itself, or fields of its row are."""

    def __init__(self, declared):
        name = type(declared).__name__
        self._whole = name if name in _CLASSES else None
        fields = declared.fields if name == "RowType" else ()
        kinds = ((at, type(field.data_type).__name__) for at, field in enumerate(fields))
        self._fields = {at: kind for at, kind in kinds if kind in _CLASSES}

    def __bool__(self):
        return self._whole is not None or bool(self._fields)

    def made(self, accumulator):
        """An accumulator as the function knows it."""
        if self._whole is not None:
            return _view(self._whole, accumulator)
        for at, kind in self._fields.items():
            accumulator[at] = _view(kind, accumulator[at])
        return accumulator

    def plain(self, accumulator):
        """What is remembered of it. Nothing but a view has the place of one."""
        if self._whole is not None:
            return _plain(self._whole, accumulator)
        values = list(accumulator)
        for at, kind in self._fields.items():
            values[at] = _plain(kind, values[at])
        return tuple(values)


# By the names of types: the class, and where it has its values.
_CLASSES = {"ListViewType": ("ListView", "_list"), "MapViewType": ("MapView", "_map")}


def _class(name):
    """That of PyFlink, if the function has it from there."""
    theirs = sys.modules.get("pyflink.table.data_view") or sys.modules.get("pyflink.table")
    return getattr(theirs, name, globals()[name])


def _view(kind, values):
    name, held = _CLASSES[kind]
    view = _class(name)()
    if values is not None:
        setattr(view, held, values)
    return view


def _plain(kind, view):
    name, held = _CLASSES[kind]
    if view is None:
        return None
    if not hasattr(view, held):
        raise TypeError("it has a %s where its type has a %s" % (type(view).__name__, name))
    return getattr(view, held)
