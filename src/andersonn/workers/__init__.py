"""Side work: how this package runs something in another process, and which way to take.

There are two ways, since they serve opposite needs, and no third:

- :class:`~andersonn.workers.pool.WorkerPool`, and :class:`~andersonn.workers.pool.Worker` for a single process, for work
  that may go wrong: parsers and chemistry libraries on inputs that others wrote. A call may crash, hang, or run out of
  memory; it costs that call and no other, since its process is killed and started again. There is a time limit for each
  call, a memory limit on Linux, and ``close()`` cancels from any thread. Payloads and results are JSON, never pickle: a
  process that read a hostile file cannot run code in this one. Screening, labels and the web lab use it.
- :func:`~andersonn.workers.parallel.parallel_map` for our own pure functions over arrays and Python objects, such as the
  images of thousands of structures: megabytes each way, objects of ASE or RDKit, the backends and counts of scikit-learn.
  Joblib moves them, as JSON could not. There is no time limit; a worker that dies ends the run.

In a thread of this process runs only what waits for such a process, and the web lab's batching of questions to the model.
:mod:`andersonn.launch` starts every Python process; nothing else may.

Further, :class:`~andersonn.workers.journal.Journal` keeps finished rows on disk, so that an interrupted run resumes, and
:mod:`~andersonn.workers.process_limits` holds the limits that a worker process sets for itself.
"""
