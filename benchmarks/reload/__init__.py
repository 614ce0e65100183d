"""Reload under load: clients ask a real daemon as fast as they can while its specs change all the time.

    python -m benchmarks.reload [--changes 10000] [--interval 50ms] [--clients 16] [--seed 1] [--write]
    python -m benchmarks.reload --latency [--write]

The first asks for correctness, and measures on the way: no request may fail, hang, be answered by two generations at
once, or by an older one than somebody has already seen. The second asks how long a change takes to be live.

The map of the package, in the order in which to read it:

* :mod:`~benchmarks.reload.flow`: the flow, as a value; from it follow both the specs and what every route must answer.
* :mod:`~benchmarks.reload.plan`: ten thousand changes of that value, drawn from a seed.
* :mod:`~benchmarks.reload.book`: every answer that the plan allows, and when.
* :mod:`~benchmarks.reload.clients`: who asks, and holds the answers against the book.
* :mod:`~benchmarks.reload.changer`: a process of its own that carries the plan out, through the store and the admin API.
* :mod:`~benchmarks.reload.daemon`: `weir start` as a child process, and what can be seen of it from outside.
* :mod:`~benchmarks.reload.child`: that child: `weir`, and a census on a signal.
* :mod:`~benchmarks.reload.trial`: all of it together, and the verdict.
* :mod:`~benchmarks.reload.latency`: how long a change takes, in a daemon that does nothing else.
* :mod:`~benchmarks.reload.report`, :mod:`~benchmarks.reload.picture`: Markdown and SVG.
"""
