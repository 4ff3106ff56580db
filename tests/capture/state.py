"""What generated programs hold their state in, and every way of changing it between calls."""

import random
from collections.abc import Sequence

# Numbers that are easily taken for one another, and others. NaN is rare: what is computed from it shows no further change.
COMMON = ["1", "1.0", "True", "2.0", "2", "3", "-1.5", "0.25", "7", "0.75", "-2"]
VALUES = [*COMMON * 3, "-0.0", "0.0", "0", "False", "np.float32(0.5)", "float('nan')"]

# State that is a global or a variable of main, as the program's seed says.
STATE = {
    "g0": "1.5",
    "g1": "2",
    "flag": "True",
    "mode": "'fast'",
    "items": "[0.5, 2.0]",
    "alias": "items",
    "table": "{'a': 1.5, 'b': 0.5}",
    "names": "{1, 'fast'}",
    "array": "np.array([0.5, 1.5], np.float32)",
    "t0": "kn.asarray([0.5, -1.0, 2.0])",
    "nested": "{'inner': [1.0, {'deep': (0.5, [2.0])}]}",
    "options": "Options()",
    "kind": "Kind.A",
    "window": "collections.deque([0.5, 1.0, 1.5], maxlen=3)",
    "marks": "{0, 8}",
    "steps": "[h0, h1]",
    "bound": "holder.m",
    "of_class": "Holder.of",
    "ordered": "collections.OrderedDict(a=0.5, b=1.5)",
    "groups": "collections.defaultdict(float, a=1.0)",
    "acc": "kn.zeros((3,))",
    # Data that decides: indices, bounds, masks, classes.
    "at": "kn.asarray(1)",
    "end": "kn.asarray(2)",
    "picks": "kn.asarray([2, 0, 1])",
    "signs": "kn.asarray([1.0, -0.5, 2.0])",
    "labels": "kn.asarray([0, 2, 1])",
    "tokens": "kn.asarray([2, 0, 1])",
}

SETUP = """
@dataclasses.dataclass(frozen=True)
class Options:
    scale: float = 0.75
    steps: tuple = (1, 2)


class Kind(enum.Enum):
    A = 1
    B = 2


class Slots:
    __slots__ = ("u", "v")

    def __init__(self):
        self.u = 0.5


slots = Slots()
X = kn.asarray([1.0, -0.5, 0.25])
Y = kn.asarray([0.1, 2.0, -3.0])
LONG = kn.asarray([1.0, 2.0, 3.0, -4.0])
LEAF = kn.asarray([0.3, 0.2, 0.1]).requires_grad_()
WEIGHT = kn.asarray([1.0, 2.0, 3.0]).requires_grad_()
ROWS = kn.asarray([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [3.0, 1.0, 0.75]])


class Base:
    c = 0.5
    turns = 0

    def act(self, v):
        return v + self.c

    @classmethod
    def of(cls, v):
        return v * cls.c


class Middle(Base):
    pass


class Side(Base):
    def act(self, v):
        return v - 2


class Top(Middle):
    def act(self, v):
        return super().act(v) * 0.5


class Holder(Base):
    def __init__(self):
        self.a, self.b, self.t = 1.25, 2, kn.asarray([1.0, 0.0, -1.0])
        self.calls = 0

    @property
    def p(self):
        return self.a * 2

    def m(self, v, s=0.5):
        self.calls += 1
        return v * s + self.b

    def __len__(self):
        return int(self.b)

    def __contains__(self, v):
        return v == self.a


class Other(Holder):
    c = -1.0

    def m(self, v, s=0.25):
        return v - s


class Net(kn.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = kn.nn.Parameter(kn.asarray(0.5))
        self.register_buffer("mean", kn.asarray(0.0))

    def forward(self, v):
        if self.training:
            self.mean = self.mean * 0.5 + kn.mean(v.detach()) * 0.5
        return v * self.w.detach() - self.mean


holder = Holder()
net = Net()
top = Top()
local = threading.local()
local.scale = 0.5


def h0(v, s=1.5):
    return kn.tanh(v) * s


def h1(v, s=0.5):
    return v + s * holder.c


def h2(v, *rest, s=-1.0, **more):
    return v * (s + len(rest) + len(more))


def halves(v, count):
    for i in range(count):
        yield v
        v = v * 0.5


def one_hot(classes, count):
    codes = kn.zeros((classes.shape[0], count))
    codes[kn.arange(classes.shape[0]), classes] = 1.0
    return codes


def energy(v):
    return kn.sum(v * v * 0.5)


@kn.custom_vjp
def ruled(v):
    return v * 1


ruled.defvjp(lambda v: (v * 1, v), lambda r, g: (g * r,))
hooked = kn.asarray([0.5, -1.0]).requires_grad_()
handles = []


def double(g):
    return g * 2


def pulled(v):
    hooked.grad = None
    with kn.enable_grad():
        kn.sum(hooked[0] * kn.tanh(v.detach())).backward()
    return v * hooked.grad[0]


fns = {"first": h0, "second": h1}
part = functools.partial(h2, s=0.5)
"""

# Closures of main, over variables of their own.
LOCAL = """
def make(cell):
    def closure(v):
        return v * cell
    def bump():
        nonlocal cell
        cell = cell + 1
        return cell
    return closure, bump
closure, bump = make(1.0)
"""

# Changes by kind. A kind's first word is what the function reads.
CHANGES = {
    "g0 rebound": ["g0 = {v}"],
    "g1 rebound": ["g1 = {v}"],
    "flag flipped": ["flag = not flag"],
    "mode rebound": ["mode = 'slow'", "mode = 'fa' + 'st'", "mode = ''", "mode = 'fast!'"],
    "items item": ["items[-1:] = [{v}]"],
    "items length": ["items.append({v})", "items.clear()", "del items[:1]"],
    "items order": ["items.reverse()"],
    "items rebound": ["items = [{v}, 1.0]"],
    "alias rebound": ["alias = items", "alias = list(items)"],
    "table item": ["table['a'] = {v}"],
    "table absence": ["table.pop('b', None)", "table['c'] = {v}", "table['b'] = {v}"],
    "table order": ["table['a'] = table.pop('a', 1.0)"],
    "table rebound": ["table = {'b': {v}}"],
    "names content": ["names.add({v})", "names ^= {1}", "names ^= {'slow', 'fast'}"],
    "array written": ["array[0] = {v}", "array[::-1][:1] = {v}"],
    "array rebound": ["array = np.array([{v}, 1], np.float64)"],
    "t0 rebound": ["t0 = kn.asarray([2.0, {v}, 1.0])", "t0 = X", "t0 = holder.t"],
    "t0 written": ["t0[0] = {v}", "t0 *= 0.5"],
    "nested depth": ["nested['inner'][1]['deep'][1][0] = {v}", "nested['inner'][0] = {v}", "nested['inner'][1]['deep'] = ({v}, [1.0])"],
    "holder.a assigned": ["holder.a = {v}"],
    "holder.b assigned": ["holder.b = 3", "holder.b = True", "holder.b = 0"],
    "holder.t assigned": ["holder.t = t0", "holder.t = X * 1", "holder.t[1] = {v}"],
    "holder.c class": ["Base.c = {v}", "Holder.c = {v}", "holder.c = {v}", "vars(holder).pop('c', None)"],
    "holder.p property": ["Holder.p = property(lambda self: {v})", "Holder.p = {v}"],
    "holder.m method": ["Holder.m = lambda self, v, s=2.0: v * s", "holder.m = lambda v, s=0.0: v", "Holder.m.__defaults__ = ({v},)"],
    "holder.act inherited": [
        "Base.act = lambda self, v: v * 2",
        "Holder.act = lambda self, v: v - self.c",
        "Holder.__bases__ = (type('B', (Base,), {'c': {v}}),)",
    ],
    "Other __class__": ["holder.__class__ = Other", "holder.__class__ = Other if type(holder) is Holder else Holder"],
    "holder rebound": ["globals()['holder'] = Other()", "globals()['holder'] = Holder()"],
    "extra absence": ["holder.extra = {v}", "vars(holder).pop('extra', None)", "Base.extra = 5.0"],
    "__len__ replaced": ["Holder.__len__ = lambda self: 0", "Holder.__bool__ = lambda self: len(self.__dict__) % 2 == 0"],
    "__contains__ replaced": ["Holder.__contains__ = lambda self, v: v in (1, 1.5)"],
    "h0 defaults": ["h0.__defaults__ = ({v},)"],
    "h0 code": ["h0.__code__ = h1.__code__"],
    "h0 rebound": ["globals()['h0'] = h1", "globals()['h0'] = lambda v, s=3.0: kn.sin(v) - s"],
    "h1 defaults": ["h1.__defaults__ = ({v},)"],
    "h2 defaults": ["h2.__kwdefaults__['s'] = {v}"],
    "fns entry": ["fns['first'] = h1", "fns['first'] = lambda v: v * 2", "fns['second'] = abs"],
    "part keywords": ["part.keywords['s'] = {v}"],
    "halves code": [
        "halves.__code__ = halves.__code__.replace(co_consts=tuple(0.25 if c == 0.5 else c for c in halves.__code__.co_consts))"
    ],
    "options rebound": [
        "options = dataclasses.replace(options, scale={v})",
        "options = Options(0.75, (1,))",
        "Options.__eq__ = lambda a, b: False",
    ],
    "kind rebound": ["kind = Kind.B", "kind = Kind.A", "kind = 1"],
    "tag absence": ["Base.tag = {v}", "Holder.tag = {v}", "Base.tag = -3.0", "'tag' in vars(Base) and delattr(Base, 'tag')"],
    "turns of a class": ["Base.turns = {v}", "Holder.turns = {v}", "'turns' in vars(Holder) and delattr(Holder, 'turns')"],
    "top inherited": [
        "Middle.act = lambda self, v: v * 3",
        "'act' in vars(Middle) and delattr(Middle, 'act')",
        "Base.act = lambda self, v: v * 2",
    ],
    "top bases": ["Top.__bases__ = (Side,)", "Top.__bases__ = (Middle,)"],
    "marks content": ["marks.add(3)", "marks.discard(8)", "marks.clear(); marks.update((8, 0))", "marks.clear(); marks.update((0, 8))"],
    "steps item": ["steps[0] = h1", "steps.reverse()", "steps[0] = lambda v, s=0.0: v - 3"],
    "bound rebound": ["bound = holder.act", "bound = Other().m", "bound = holder.m", "bound = Holder().m; bound.__self__.b = {v}"],
    "of_class rebound": ["of_class = Other.of", "of_class = Holder.of", "of_class = Base.of"],
    "ordered order": [
        *("ordered.move_to_end('a')", "ordered.move_to_end('b', last=False)", "ordered['c'] = {v}"),
        "ordered.pop('c', 0) or ordered.update(c={v})",
    ],
    "groups content": ["groups['a'] = {v}", "groups['b'] = {v}", "groups.pop('a', None)"],
    "groups factory": ["groups.pop('b', None); groups.pop('a', None); groups.default_factory = lambda: {v}"],
    "local assigned": ["local.scale = {v}", "local.scale = {v}", "local.extra = {v}", "vars(local).pop('extra', None)"],
    "acc on the tape": [
        "flag = not flag; attempt(f, LEAF); show(acc.requires_grad and kn.sum(acc).backward(), LEAF.grad); "
        "acc = kn.zeros((3,)); LEAF.grad = None"
    ],
    "LEAF under it": ["flag = not flag; attempt(f, LEAF * 2); show(LEAF.grad, WEIGHT.grad); LEAF.grad = WEIGHT.grad = None"],
    "window content": ["window.append({v})", "window.rotate(1)", "window.extend([{v}, 1.0])"],
    "slots assigned": ["slots.u = {v}", "slots.v = {v}"],
    "cell bumped": ["bump()"],
    "cell assigned": ["closure.__closure__[0].cell_contents = {v}"],
    "cell replaced": ["closure, bump = make({v})"],
    "net training": ["net.train(not net.training)"],
    "net parameter": ["net.w = kn.nn.Parameter(kn.asarray({v}, dtype=kn.float32))", "net.w.detach()[...] = {v}"],
    "net buffer": ["net.mean = kn.asarray(1.0)"],
    "len shadowed": ["globals()['len'] = lambda v: 7", "globals().pop('len', None)"],
    "n defaults": ["plain.__defaults__ = ({v}, None)"],
    "k defaults": ["plain.__kwdefaults__['k'] = {v}"],
    "code of": [
        "plain.__code__ = plain.__code__.replace("
        "co_consts=tuple(-c if c == 3.0 and type(c) is float else c for c in plain.__code__.co_consts))"
    ],
    "hooks registered": [
        "handles.append(hooked.register_hook(double))",
        "handles.pop().remove() if handles else handles.append(hooked.register_hook(double))",
    ],
    "rule replaced": ["ruled.defvjp(lambda v: (v * 1, v), lambda r, g: (g * {v},))"],
    "energy rebound": ["globals()['energy'] = lambda v: kn.sum(v * {v})", "globals()['energy'] = lambda v: kn.sum(kn.sin(v))"],
    "dtype default": ["kn.set_default_dtype(kn.float64)", "kn.set_default_dtype(kn.float32)"],
    "random seeded": ["random.seed(3)", "kn.manual_seed(4)"],
    "kn replaced": ["kn.exp = kn.sin"],
    "at written": ["at += 1", "at -= 1", "at %= 3", "at[...] = 0", "at *= -1", "at[...] = 2", "at += 5"],
    "at rebound": ["at = kn.asarray(2)", "at = kn.asarray(0)", "at = -at", "at = end - 1", "at = kn.asarray(0, dtype=kn.int32)", "at = 0"],
    "picks written": ["picks[0] = 1", "picks -= 4", "picks %= 3", "picks[...] = kn.flip(picks)", "picks[1] = 7"],
    "picks rebound": [
        "picks = kn.asarray([0, 0, 2])",
        "picks = kn.asarray([1, 3, 0])",
        "picks = kn.flip(picks)",
        "picks = kn.asarray([1])",
    ],
    "labels written": ["labels[0] = 1", "labels %= 3", "labels[1] = 3", "labels -= 1", "labels += 1"],
    "labels rebound": ["labels = kn.asarray([2, 2, 0])", "labels = kn.asarray([1, 0, 3])", "labels = kn.asarray([0, -1, 1])"],
    "signs flipped": ["signs *= -1", "signs[1] = {v}", "signs += 1", "signs = kn.asarray([{v}, -1.0, 1.0])", "signs[...] = kn.flip(signs)"],
    "end moved": ["end += 1", "end -= 1", "end[...] = 1", "end = kn.asarray(3, dtype=kn.int32)", "end = at + 1"],
    "tokens content": ["tokens[0] = 1", "tokens %= 3", "tokens[...] = kn.flip(tokens)", "tokens[1] = 5", "tokens = kn.asarray([1, 2, 0])"],
}


def pick(rng: random.Random, choices: Sequence[str]) -> str:
    return choices[rng.randrange(len(choices))]
