"""Where specs and values live.

* :mod:`~engine.store.protocol` is the contract, and re-exports all that callers need for it.
* :mod:`~engine.store.memory`, :mod:`~engine.store.sqlite` and :mod:`~engine.store.mongodb` are the stores;
  :mod:`~engine.store.url` makes one of a URL, and :mod:`~engine.store.shown` takes the secrets out of one.
* :mod:`~engine.store.plan` decides what an apply does, for all of them; :mod:`~engine.store.record` says what is kept of a
  document; :mod:`~engine.store.watch` is the reader's end of a watch.
* :mod:`~engine.store.vault` seals values: no store keeps one as it was written.
* :mod:`~engine.store.trial` is a change that goes back unless it is confirmed, :mod:`~engine.store.trying` its rules.
* :mod:`~engine.store.transfer` copies a whole store into another one, :mod:`~engine.store.check` looks for damage in one.
"""
