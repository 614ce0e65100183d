"""A store in a MongoDB replica set, for any number of daemons on any number of machines.

The layout of the package, from the outside in:

* :mod:`~engine.store.mongodb.store` is the store: what each call does within its transaction, and the watches.
* :mod:`~engine.store.mongodb.feed` follows the change stream while somebody watches, through every outage.
* :mod:`~engine.store.mongodb.records`, :mod:`~engine.store.mongodb.changes`, :mod:`~engine.store.mongodb.trials` and
  :mod:`~engine.store.mongodb.instances` read and write one kind of thing each.
* :mod:`~engine.store.mongodb.rotation` seals values anew.
* :mod:`~engine.store.mongodb.transfer` and :mod:`~engine.store.mongodb.inspection` are for whole stores: to copy and to
  check; :mod:`~engine.store.mongodb.mark` is on half a copy.
* :mod:`~engine.store.mongodb.schema` has the collections, their indexes, and the one document that orders all writes.
* :mod:`~engine.store.mongodb.time` has the time, which is the server's.
* :mod:`~engine.store.mongodb.connection` has the client and its transactions; :mod:`~engine.store.mongodb.address` reads
  the URL, and :mod:`~engine.store.mongodb.trouble` says in plain words what is wrong.

PyMongo takes a quarter of a second to load. Only :func:`~engine.store.url.open_store` imports this package, and only for
a URL that names MongoDB.
"""

from engine.store.mongodb.store import MongodbStore

__all__ = ["MongodbStore"]
