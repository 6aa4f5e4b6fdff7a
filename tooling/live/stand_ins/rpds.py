"""In the place of rpds, which is compiled: the same collections, which copy where those share."""

from collections.abc import Mapping, Set


class HashTrieMap(Mapping):
    """A mapping that is never changed."""

    def __init__(self, value=(), **kwargs):
        self._items = dict(value, **kwargs)

    @classmethod
    def convert(cls, value):
        """Return the mapping as one of these."""
        return value if isinstance(value, cls) else cls(value)

    def __getitem__(self, key):
        """Return a value."""
        return self._items[key]

    def __iter__(self):
        """Go through the keys."""
        return iter(self._items)

    def __len__(self):
        """Count the keys."""
        return len(self._items)

    def insert(self, key, value):
        """Return a mapping with one more entry."""
        return type(self)({**self._items, key: value})

    def remove(self, key):
        """Return a mapping with one entry less."""
        return type(self)({name: value for name, value in self._items.items() if name != key})

    def update(self, *others, **kwargs):
        """Return a mapping with other entries too."""
        merged = dict(self._items)
        for other in others:
            merged.update(other)
        return type(self)({**merged, **kwargs})


class HashTrieSet(Set):
    """A set that is never changed."""

    def __init__(self, values=()):
        self._values = frozenset(values)

    def __contains__(self, value):
        """Tell whether it has a value."""
        return value in self._values

    def __iter__(self):
        """Go through the values."""
        return iter(self._values)

    def __len__(self):
        """Count the values."""
        return len(self._values)

    def insert(self, value):
        """Return a set with one value more."""
        return type(self)({*self._values, value})

    def discard(self, value):
        """Return a set without a value."""
        return type(self)(self._values - {value})

    def update(self, *others):
        """Return a set with the values of others too."""
        return type(self)(self._values.union(*others))


class List(tuple):
    """A list that is never changed."""

    __slots__ = ()

    def push_front(self, value):
        """Return a list that begins with a value."""
        return type(self)((value, *self))
