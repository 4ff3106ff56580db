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
holder.c holder | holder.c
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
groups | len(groups)
local | local.scale
local | getattr(local, 'extra', {N})
LEAF | (0.0 if WEIGHT.grad is None else kn.sum(WEIGHT.grad))
items len | len(items)
items | sum(items)
items | (items[0] if items else {N})
items | items[-1:].count(2.0)
alias items | (1.0 if alias is items else 2.0)
table | table.get('a', {N})
table | table.get('b', 4.0)
table | next(iter(table.values()), 0.0)
table mode | table.get(f'{mode[:1]}', {N})
table | float(list(table) == sorted(table))
table | sum(i * v for i, v in enumerate(table.values()))
table | float(list(table) == sorted(table))
names len | len(names)
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
names | 1 in names
alias items | alias is items
items | items
n | type(n) is bool
n | isinstance(n, float)
holder | isinstance(holder, Other)
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
""")

TENSORS = _table("""
y
y
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
(kn.sum({T}) * 0.1)
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
holder holder.m holder.b | holder.m({T})
holder holder.act holder.c | holder.act({T})
top | top.act({T})
steps h0 h1 | steps[0]({T})
bound | bound({T})
of_class holder.c | of_class({T})
acc | (acc + {T})
cell | closure({T})
net | net({T})
net | net(y)
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
""")

# What cannot be taken back by itself: a call that does it and then sees that nothing fits must have left no trace.
FIRST = {"acc": "acc += y", "LEAF": "kn.sum(y * WEIGHT).backward()"}

# Kinds of statements; those that begin with "y =" are texts, the others are methods of Writer.
STATEMENTS = [
    "y = y * 0.5 + {T}", "y = y * 0.5 + {T}", "y = y * 0.5 + {T}", "y = y + {N}", "y = y + {N}", "y = y * 0.75 - {N}", "y = {T}",
    "if", "else", "for items", "for range", "for table", "while", "try", "with", "write", "write", "write", "call", "print", "return",
    "raise", "unpack", "inner", "tensor if", "match", "local",
]  # fmt: skip
