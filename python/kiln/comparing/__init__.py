"""kiln.compare and what shows its results: one function, eagerly and compiled, beside other libraries.

    compare.py  runs the function in Kiln     measure.py     times calls and memory; knows no library
    state.py    inputs that survive a call    rows.py        the results, as a table and as JSON
    peers.py    starts other libraries        peer.py        runs in their processes, with namespaces.py and measure.py
    plot.py     PNG                           page.py        HTML, with chart.py and program.py

peer.py, namespaces.py and measure.py also run where Kiln is not installed, so they import none of it.
"""
