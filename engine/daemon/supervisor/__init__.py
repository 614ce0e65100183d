"""`workers: N`: several processes that serve the same addresses, and the one that looks after them.

```
   supervisor ── binds and keeps every address, starts workers again, tells each what it is to do
     │  │  │     (one Unix socket pair to each: JSON frames, and descriptors)
   worker 1..N ─ each a whole daemon: its own interpreter, event loop, table, languages, connections to the store
```

| module | holds |
| --- | --- |
| `messages.py` | what the two say to each other, typed |
| `frames.py`, `channel.py` | how it gets across: frames and descriptors; questions and their answers |
| `addresses.py` | the supervisor's sockets, and who needs them |
| `backoff.py` | how long to wait before a worker is started again |
| `child.py` | one worker, as the supervisor sees it |
| `slot.py` | a place for a worker, in which one follows another |
| `supervisor.py` | all of them: the start, the signals, the end |
| `worker.py`, `link.py` | the worker's own side: its main, and what it asks of the supervisor |

The supervisor serves nothing and opens no runtime, so there is little that could end it. If it is killed all the same, its
workers notice the end of their sockets, drain, and end.
"""
