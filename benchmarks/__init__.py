"""What Weir costs, beside floors and beside the same written by hand.

`make bench` runs the parts of :mod:`benchmarks.__main__`, each of which makes a section of RESULTS.md, and writes the
table of targets at its top. The map:

* :mod:`~benchmarks.part`: what a part is; :mod:`~benchmarks.figures`: medians, spreads, ratios; :mod:`~benchmarks.targets`,
  :mod:`~benchmarks.results`: the table and the sections of the report; :mod:`~benchmarks.bars`, :mod:`~benchmarks.svg`: pictures.
* :mod:`~benchmarks.scenarios`: flows over HTTP beside aiohttp by hand. One more is a file there and a line in its catalogue.
  :mod:`~benchmarks.rated` makes parts of them, :mod:`~benchmarks.peers` adds Node-RED.
* :mod:`~benchmarks.waiting` with its :mod:`~benchmarks.crowd` of clients and :mod:`~benchmarks.held`, what processes hold without
  HTTP; :mod:`~benchmarks.startup`; :mod:`~benchmarks.help`.
* :mod:`~benchmarks.kernel`, :mod:`~benchmarks.cel`, :mod:`~benchmarks.javascript`: programs of their own, which
  :mod:`~benchmarks.older` makes parts of.

Beside them stand those that take long or prove something, with commands of their own, such as :mod:`~benchmarks.reload` and
:mod:`~benchmarks.soak`.
"""
