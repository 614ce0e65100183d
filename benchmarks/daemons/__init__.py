"""Several daemons on one MongoDB: how soon a change is live in all of them, and whether anything is lost on the way.

    python -m benchmarks.daemons [--applies 1000] [--daemons 3] [--seed 1] [--write]
    python -m benchmarks.daemons --size 10000 [--write]

The first starts `weir start` processes on a real mongod, applies a thousand changes from several writers, and holds the logs
of the daemons against what was written: every revision must have reached every daemon, once and in order. The second is one
daemon with many specs: how long it takes to start, what it holds, and how long it takes to reload one of them.

The map of the package, in the order in which to read it:

* :mod:`~benchmarks.daemons.flow`: the specs; their answer is the number of a change.
* :mod:`~benchmarks.daemons.journal`: what a daemon says in its log, to be waited for and counted.
* :mod:`~benchmarks.daemons.asker`: a client that asks one daemon all the time, at a modest speed.
* :mod:`~benchmarks.daemons.fleet`: daemons, their journals and their askers, on one store.
* :mod:`~benchmarks.daemons.trial`: a thousand changes, and the verdict.
* :mod:`~benchmarks.daemons.size`: one daemon with many specs.
* :mod:`~benchmarks.daemons.report`: Markdown.

:mod:`benchmarks.mongod` has the servers, and :mod:`benchmarks.proxy` a network that breaks. The tests of faults
(`tests/integration/test_daemons_mongodb.py`) stand on the same parts.
"""
