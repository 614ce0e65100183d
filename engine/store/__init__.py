"""Where specs and values live.

* :mod:`~engine.store.protocol` is the contract, and re-exports all that callers need for it.
* :mod:`~engine.store.memory` and :mod:`~engine.store.sqlite` are the stores; :mod:`~engine.store.url` makes one of a URL.
* :mod:`~engine.store.plan` decides what an apply does, for all of them; :mod:`~engine.store.record` says what is kept of a
  document; :mod:`~engine.store.watch` is the reader's end of a watch.
* :mod:`~engine.store.trial` is a change that goes back unless it is confirmed, :mod:`~engine.store.trying` its rules.
"""
