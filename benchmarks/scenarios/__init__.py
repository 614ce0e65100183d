"""Flows over HTTP, each beside the same service written by hand with aiohttp.

    python -m benchmarks ping crud [--rounds 9] [--write]

The problem. A rate alone says little: it is the machine's as much as the program's, and a shared machine changes from one
second to the next.

The choice. Everything that is compared runs at the same time, each in a process of its own, all on one core; the load
generator has another core. They are measured in many short turns, one after another, in one order and then in the other, and
ratios are taken within a round. Beside the rate stands what a server does in a second *of its own processor time*, with all
its threads and children: that figure survives a machine which is busy with other things. The floor is aiohttp's low-level
server, which reads the request and answers with the same bytes each time.

Before anything is measured all must give the same answers to the same requests, the wrong ones too.

The map of the package, in the order in which to read it:

* :mod:`~benchmarks.scenarios.scenario`: what a scenario is made of.
* :mod:`~benchmarks.scenarios.ping`, `chain`, `order`, `crud`, `zones`, `fan`, `script`, `patience`: the scenarios, a file each: the flow, the
  application by hand, the load.
* :mod:`~benchmarks.scenarios.servers`: those who answer, as child processes, and their processor time.
* :mod:`~benchmarks.scenarios.serve`: the child of an application written by hand.
* :mod:`~benchmarks.scenarios.contenders`: who takes part in a scenario, and how each is started.
* :mod:`~benchmarks.scenarios.alike`: whether all give the same answers.
* :mod:`~benchmarks.scenarios.turns`: the load, turn by turn.
* :mod:`~benchmarks.scenarios.report`: Markdown and SVG.
"""
