"""Functions of C, written again in Python, so that a recording can look into what they call and compare."""

from collections import OrderedDict

_NOTHING = object()


def _message(function, *args):
    """What CPython says of a failing call; its versions differ."""
    try:
        function(*args)
    except (ValueError, IndexError) as error:
        return str(error)


_NO_LEAST, _NO_GREATEST = _message(min, ()), _message(max, ())
_NOT_IN_LIST = _message([].index, 0).replace("0", "{!r}", 1)
_NOT_TO_REMOVE = _message([].remove, 0)
_NOT_TO_POP, _NONE_TO_POP = _message([0].pop, 1), _message([].pop)


def any_(iterable):
    for item in iterable:
        if item:
            return True
    return False


def all_(iterable):
    for item in iterable:
        if not item:
            return False
    return True


def sum_(iterable, /, start=0):
    total = start
    for item in iterable:
        total = total + item
    return total


def _best(args, key, default, better):
    if len(args) == 1:
        args = args[0]
    best = best_value = _NOTHING
    for item in args:
        value = item if key is None else key(item)
        if best is _NOTHING or better(value, best_value):
            best, best_value = item, value
    if best is _NOTHING:
        if default is _NOTHING:
            raise ValueError(_NO_LEAST if better is _less else _NO_GREATEST)
        return default
    return best


def _less(x, y):
    return x < y


def _greater(x, y):
    return x > y


def min_(*args, key=None, default=_NOTHING):
    return _best(args, key, default, _less)


def max_(*args, key=None, default=_NOTHING):
    return _best(args, key, default, _greater)


def map_(function, *iterables):
    if len(iterables) == 1:
        for item in iterables[0]:
            yield function(item)
        return
    for items in zip_(*iterables):
        yield function(*items)


def filter_(function, iterable):
    for item in iterable:
        if item if function is None else function(item):
            yield item


def zip_(*iterables, strict=False):
    sources = [iter(i) for i in iterables]
    if not sources:
        return
    while True:
        items = []
        for source in sources:
            item = next(source, _NOTHING)
            if item is _NOTHING:
                break
            items.append(item)
        if len(items) < len(sources):
            if strict:
                if items:
                    raise ValueError(
                        f"zip() argument {len(items) + 1} is shorter than argument{'' if len(items) == 1 else 's 1-'}{len(items)}"
                    )
                for n, source in enumerate_(sources):
                    if n and next(source, _NOTHING) is not _NOTHING:
                        raise ValueError(f"zip() argument {n + 1} is longer than argument{'' if n == 1 else 's 1-'}{n}")
            return
        yield (*items,)


def enumerate_(iterable, start=0):
    n = start
    for item in iterable:
        yield n, item
        n = n + 1


def reversed_(sequence):
    for i in range(len(sequence) - 1, -1, -1):
        yield sequence[i]


def reduce_(function, iterable, /, initial=_NOTHING):
    total = initial
    for item in iterable:
        total = item if total is _NOTHING else function(total, item)
    if total is _NOTHING:
        raise TypeError("reduce() of empty iterable with no initial value")
    return total


def sorted_(iterable, /, *, key=None, reverse=False):
    items = [*iterable]
    return sorted_by(items, [item if key is None else key(item) for item in items], reverse)


def sorted_by(items, keys, reverse):
    """Replaced by the recording."""


def list_sort(target, /, *, key=None, reverse=False):
    items = [*target]
    target.clear()  # as it is for a key function that looks
    try:
        target[:] = sorted_(items, key=key, reverse=reverse)
    except BaseException:
        target[:] = items
        raise


def same_or_equal(x, y):
    """Replaced by the recording."""


def iter_until(function, sentinel):
    while True:
        value = function()
        if same_or_equal(value, sentinel):
            return
        yield value


def items_of(sequence):
    i = 0
    while True:
        try:
            item = sequence[i]
        except (IndexError, StopIteration):
            return
        yield item
        i = i + 1


def list_(iterable=()):
    return [*iterable]


def tuple_(iterable=()):
    return (*iterable,)


def set_(iterable=()):
    return {*iterable}


def dict_(source=(), /, **named):
    made = {}
    if hasattr(source, "keys"):
        for key in source.keys():
            made[key] = source[key]
    else:
        for key, value in source:
            made[key] = value
    for key, value in named.items():
        made[key] = value
    return made


def join_(separator, parts):
    return join_all(separator, [*parts])


def join_all(separator, parts):
    """Replaced by the recording."""


def divmod_(x, y):
    return x // y, x % y


def attrgetter_call(names, target):
    return getattr(target, names)


def list_extend(target, items):
    for item in items:
        target.append(item)


def list_index(target, wanted, start=0, stop=9223372036854775807):
    for i in range(start, min_(len(target), stop)):
        if same_or_equal(target[i], wanted):
            return i
    raise ValueError(_NOT_IN_LIST.format(wanted))


def list_count(target, wanted):
    n = 0
    for item in target:
        if same_or_equal(item, wanted):
            n = n + 1
    return n


def list_copy(target):
    return [*target]


def list_reverse(target):
    items = [*target]
    n = len(items)
    for i in range(n):
        target[i] = items[n - 1 - i]


def dict_get(target, key, default=None):
    if key in target:
        return target[key]
    return default


def dict_setdefault(target, key, default=None):
    if key in target:
        return target[key]
    target[key] = default
    return default


def dict_pop(target, key, default=_NOTHING):
    if key in target:
        value = target[key]
        del target[key]
        return value
    if default is _NOTHING:
        raise KeyError(key)
    return default


def dict_update(target, source=(), /, **named):
    if hasattr(source, "keys"):
        for key in source.keys():
            target[key] = source[key]
    else:
        for key, value in source:
            target[key] = value
    for key, value in named.items():
        target[key] = value


def dict_copy(target):
    return {**target}


def ordered_copy(target):
    made = OrderedDict()
    for key in target:
        made[key] = target[key]
    return made


def dict_fromkeys(keys, value=None):
    made = {}
    for key in keys:
        made[key] = value
    return made


def count_elements(mapping, items):
    for item in items:
        mapping[item] = mapping.get(item, 0) + 1


def list_pop(target, index=-1):
    n = len(target)
    if not -n <= index < n:
        raise IndexError(_NOT_TO_POP if n else _NONE_TO_POP)
    value = target[index]
    del target[index]
    return value


def list_remove(target, wanted):
    for i in range(len(target)):
        if target[i] is wanted or target[i] == wanted:
            del target[i]
            return
    raise ValueError(_NOT_TO_REMOVE)


def set_update(target, *sources):
    for source in sources:
        for item in source:
            target.add(item)


def set_remove(target, wanted):
    if wanted not in target:
        raise KeyError(wanted)
    target.discard(wanted)
