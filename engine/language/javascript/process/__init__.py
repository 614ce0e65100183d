"""V8 in processes of its own: one for each isolate.

Some code cannot be held inside a process. V8 *ends* the process when a regular expression or a table grows beyond what it
can represent, or when an allocation fails; many builtins (`Array.from({length: 2 ** 32 - 1})`) look at no interrupt until
they are through, and what ICU and the compiler of regular expressions allocate counts for no limit of the heap. So the
process is the isolate's own: the last word of a deadline is SIGKILL, memory has a limit that the kernel keeps, and a crash is
an error of the call that ran.

    daemon ── control ──► zygote ── fork ──► child: one isolate
       └───────────────── line ──────────────────┘

    frames        what travels on a line                    switchboard   the daemon's end: one thread for all lines
    zygote        the process that forks                    spawn         starting it
    child         what a child does                         isolate       a child as an isolate, and the engine of them
    confine       what a child may not do

**The zygote** is a process with one thread that has loaded V8 and done nothing with it. A fork of it is an isolate's
process after some milliseconds and shares most of its memory. It is not the daemon that forks: that has threads, a heap, and
sockets that are nobody's business.

**Nothing outlives the daemon.** The zygote reads from a socket whose other end the daemon alone holds; when that ends, for
whatever reason, the zygote kills its children and exits. The children ask the kernel to be killed with the zygote, where it can do
that. (To ask the same for the zygote would be a trap: the kernel means the *thread* that forked, not the process.)
TERM, INT and HUP are ignored: a terminal and a service manager send them to everybody, and the daemon still needs its
isolates for the requests that it brings to their end.

**Nothing waits for a child.** A caller sends without blocking; what does not fit into the socket is kept, and the switchboard's
thread sends it on. That is bounded: there is one text at a time on its way to an isolate (`program.py`), and its deadline
holds for a child that does not read as well.
"""

from __future__ import annotations
