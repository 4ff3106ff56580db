"""What generated functions are made of. Each line: the state it reads, as the kinds of changes in state.py begin, and the text.

{N}, {C} and {T} stand for a number, a condition and a tensor of x's shape, and are filled in turn; {v} for a value of state.VALUES.
"""


def _table(text: str) -> list[tuple[str, str]]:
    rows = [line.split(" | ", 1) if " | " in line else ("", line) for line in text.strip().splitlines()]
    return [(reads.strip(), written.strip()) for reads, written in rows]


NUMBERS = _table("""
1.0
code | 3.0
code | (x.shape[0] * 3.0)
0.5
n | n
k | k
g0 | g0
g1 | g1
g0 | g0
g1 | g1
options | options.scale
options | len(options.steps)
window | window[0]
window | sum(window)
slots | slots.u
slots | getattr(slots, 'v', {N})
holder holder.a | holder.a
holder holder.b | holder.b
holder.c holder Other | holder.c
holder holder.p holder.a | holder.p
holder.c | Holder.c
holder | holder.calls
tag | getattr(Holder, 'tag', {N})
tag holder | getattr(holder, 'tag', 0.25)
turns | Base.turns
turns | Holder.turns
turns holder | holder.turns
marks | [*marks, 5][0]
marks | sum(marks)
marks | len(marks)
ordered | next(iter(ordered.values()), 0.0)
ordered | ordered['a']
groups | groups['a']
groups | groups['b']
groups | (len(groups) + sum(groups.values()))
local | local.scale
local | getattr(local, 'extra', {N})
LEAF | (0.0 if WEIGHT.grad is None else kn.sum(WEIGHT.grad))
items len | (len(items) + sum(i * v for i, v in enumerate(items)))
items | sum(v * 0.5**i for i, v in enumerate(items))
items | (items[0] if items else {N})
items | items[-1:].count(2.0)
alias items | (1.0 if alias is items else 2.0)
table | table.get('a', {N})
table | table.get('b', 4.0)
table | next(iter(table.values()), 0.0)
table mode | table.get(f'{mode[:1]}', {N})
table | sum(i * v for i, v in enumerate(table.values(), 1))
table | table['a']
table | float(list(table) == sorted(table))
names len | (len(names) * 2 + ('slow' in names))
array | float(array[0])
array | array.sum()
nested | nested['inner'][0]
nested | nested['inner'][1]['deep'][1][0]
nested | nested['inner'][1]['deep'][0]
mode len | len(mode)
holder holder.b __len__ | len(holder)
extra holder | getattr(holder, 'extra', {N})
extra holder | getattr(holder, 'extra', {N})
({N} + {N})
({N} * {N})
(-{N})
max({N}, {N})
min({N}, {N}, 2.5)
abs({N})
({N} if {C} else {N})
x.shape[0]
x.ndim
int(bool({C}))
flag | (flag and {N})
({N} or {N})
cell | bump()
flag | int(flag)
items | sum(v * {N} for v in items)
h0 | sum(h0.__defaults__ or ())
n | (n if isinstance(n, int) else 0.5)
(lambda v, u={N}: v * u)({N})
random | random.random()
len([v for v in (1, 2, 3) if {C}])
at | x[at]
at | x[at]
at | x[-at]
at | ROWS[at, 1]
at | kn.sum(x[at:])
at | kn.sum(kn.arange(at) * 0.5)
picks | x[picks][0]
picks | kn.sum(ROWS[picks, 1])
picks labels | kn.sum(ROWS[picks, labels])
signs | y[signs > 0].sum()
signs | x[kn.argmax(signs)]
labels | kn.nn.functional.cross_entropy(ROWS, labels)
end | int(end)
end | x[end.item()]
end | [0.5, 1.5, -1.0][end]
end window | window[int(end)]
end items | sum(items[end:])
end | sum(v * 0.5 for v in range(int(end)))
end | x[:end].shape[0]
end | len(range(end))
end | max({N}, end)
tokens | x[tokens > 0].shape[0]
tokens | int(kn.count_nonzero(tokens > {N}))
tokens | len(kn.nonzero(tokens > 1)[0])
tokens | tokens[tokens[0]]
tokens | ROWS[0, tokens[0]].item()
n | x[n]
(x[w > 0].sum() if w is not None else {N})
""")

CONDITIONS = _table("""
flag | flag
flag | flag
mode | mode == 'fast'
kind | kind is Kind.A
kind | kind in (Kind.B, 1)
options | options == Options()
slots | hasattr(slots, 'v')
mode | mode in ('slow', 'fast!')
{N} > {N}
{N} == {N}
not {C}
({C} and {C})
({C} or {C})
table | 'b' in table
marks | 8 in marks
marks | marks == {0, 8}
groups | 'b' in groups
ordered | list(ordered) == ['a', 'b']
table | 'c' not in table
table | len(table) > 1
extra holder | hasattr(holder, 'extra')
holder __len__ holder.b | holder
holder __len__ holder.b | holder
holder __contains__ holder.a | 1.25 in holder
names | 'slow' in names
names | (1 in names) is ('fast' in names)
alias items | alias is items
items | items
n | type(n) is bool
n | isinstance(n, float)
holder Other | isinstance(holder, Other)
holder t0 holder.t | holder.t is t0
t0 | x is t0
w is None
w is x
net | net.training
x.requires_grad
dtype | x.dtype is kn.default_dtype()
g0 | g0 != g0
g1 | g1 is True
1 < {N} < 3
h0 | h0 is not h1
callable({N})
nested | len(nested['inner'][1]['deep'][1]) == 1
end | x[end] > 0
end | end > 1
end | int(end) == 1
end | end in (1, {N})
signs | kn.any(signs > {N})
tokens | tokens[0] > tokens[-1]
tokens | kn.all(tokens < 3)
tokens | tokens[0] == 2
""")

TENSORS = 6 * _table("y") + _table("""
x
x
t0 | t0
holder holder.t | holder.t
({T} + {T})
({T} * {N})
({N} - {T})
({T} * {T})
kn.tanh({T})
kn.maximum({T}, {T})
kn.where({T} > {N}, {T}, {T})
(y + kn.sum({T}) * 0.1)
h0 | h0({T})
part | part({T})
part | part({T}, 1)
halves | sum(halves({T}, 3))
halves | [*halves(y, 2)][1]
h0 | h0({T}, {N})
h1 holder.c holder | h1({T})
h2 | h2({T}, {N}, u={N})
h2 | h2({T})
fns h0 h1 | fns['first']({T})
fns | fns['second'](y)
holder holder.m holder.b Other | holder.m({T})
holder holder.act holder.c | holder.act({T})
top | top.act({T})
steps h0 h1 | steps[0]({T})
bound | bound({T})
bound | bound(y)
of_class holder.c | of_class({T})
of_class holder.c | of_class(y)
acc | (acc + {T})
cell | closure({T})
net | net({T})
net | net(y)
net | (y + net(x))
array | ({T} * kn.asarray(array[:1]))
(y + {T})[::-1]
(w if w is not None else {T})
({T} / (kn.abs({T}) + 1))
items | sum([y * v for v in items], y)
kn | kn.exp(-kn.abs({T}))
dtype | ({T} + kn.zeros((1,)))
hooks | pulled({T})
hooks | pulled(y)
hooks | pulled(x)
rule | kn.grad(lambda v: kn.sum(ruled(v) * 0.5))(y.detach())
rule | kn.grad(lambda v: kn.sum(ruled(v)))({T}.detach())
energy | kn.grad(energy)({T}.detach())
energy | kn.grad(energy)(y.detach())
{T}.astype(kn.float32)
random | kn.random.uniform((3,))
h0 | list(map(h0, [y]))[0]
items | (lambda *a: y + sum(a))(*items)
at | ROWS[at]
at | ROWS[:, at]
at | (y * x[at])
at | kn.roll({T}, at)
at | kn.concat([y[at:], x[:at]])
end | kn.concat([y[int(end):], y[:int(end)]])
end | (y + kn.sum(kn.arange(end)))
picks | {T}[picks]
picks | kn.take({T}, picks)
picks | kn.take_along_axis(y, picks)
signs | kn.where(signs > 0, {T}, {T})
signs | kn.concat([y[signs > 0], y[signs <= 0]])
signs | (y * {T}[signs > {N}].sum())
signs | y[kn.argsort(signs)]
labels | (one_hot(labels, 3) @ y)
labels | (ROWS[labels] @ y)
labels | kn.take(ROWS, labels, axis=0)[0]
labels picks | (y + labels ** picks)
tokens | ROWS[tokens[0]]
""")

WRITES = _table("""
g0 | g0 = g0 + 1
g1 | g1 = {N}
items | items.append({N}); del items[3:]
items | items[:1] = [{N}]
table | table['c'] = {N}
table | table['a'] = table.get('a', 0.0) + 1
names | names.add('slow')
holder holder.a | holder.a = {N}
holder holder.t | holder.t = y.detach() * 0.5
t0 | t0 += 0.25
holder holder.t | holder.t[0] = {N}
array | array[1] += 1
flag | flag = not flag
nested | nested['inner'][1]['deep'][1][0] = {N}
extra holder | holder.extra = {N}
nested | nested['inner'].append({N}); del nested['inner'][3:]
alias | alias = items
window | window.append({N})
slots | slots.u = {N}
turns | Base.turns += 1
turns | Holder.turns = {N}
marks | marks.add(3)
ordered | ordered.move_to_end('a')
groups | groups['b'] += {N}
local | local.scale = {N}
acc | acc += y
LEAF | kn.sum(y * WEIGHT).backward()
kind | kind = Kind.A
table | table.pop('c', None)
at | at = (at + 1) % 3
at | at += 1; at %= 3
at t0 | t0[at] = {N}
at t0 | t0[at:] = {N}
at holder holder.t | holder.t[int(at)] = {N}
at | y[at] = {N}
signs | y[signs > 0] = {N}
signs | signs *= -1
signs | signs[signs > 0] = -0.5
picks t0 | t0[picks] = kn.tanh(y.detach())
picks | y[picks] = {T}
picks | picks[...] = kn.flip(picks)
labels at | labels[at] = 1
at holder holder.t | holder.t[at] += {N}
at t0 | rest = t0[at:]; rest *= 0.5
at | rest = y[at:]; rest += {N}
signs t0 | t0[signs > 0] *= 0.5
picks at | picks[at] -= 1
picks t0 | t0[picks] += {N}
tokens end | tokens[:end] = at
""")

# What a try statement begins with.
RISKY = _table("""
table | y = y + table['b']
items | y = y + items[1]
extra | y = y * holder.extra
table | y = y + table['c']
flag | y = y + kn.ones((3 if flag else 5,))
at | y = y + x[at]
picks | y = y + x[picks]
labels | y = y + ROWS[labels][0]
labels picks | y = y + labels ** picks
""")

# What cannot be taken back by itself: a call that does it and then sees that nothing fits must have left no trace.
FIRST = {"acc": "acc += y", "LEAF": "kn.sum(y * WEIGHT).backward()"}

# Kinds of statements; those that begin with "y =" are texts, the others are methods of Writer.
STATEMENTS = [
    "y = y * 0.5 + {T}", "y = y * 0.5 + {T}", "y = y * 0.5 + {T}", "y = y + {N}", "y = y + {N}", "y = y * 0.75 - {N}", "y = {T}",
    "if", "else", "for items", "for range", "for table", "while", "try", "with", "write", "write", "write", "call", "print", "return",
    "raise", "unpack", "inner", "tensor if", "match", "local", "for tokens", "for end", "while tokens", "while end",
]  # fmt: skip

# Statements, by their methods, that show what a state holds as well as an expression does.
LOOPS = {"end": ["_while_end", "_for_end"], "tokens": ["_while_tokens", "_for_tokens"]}
