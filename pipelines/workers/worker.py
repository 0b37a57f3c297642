"""A process that makes shards, started by :mod:`sysnoise.pipelines.workers.process`.

It reads its job from standard input, as a line of JSON, and then shard numbers, one per line. It
answers on standard output with lines of JSON: the key of each sample before it is read and before
it is made, with the number of samples that are done, and the failure, or null, at a shard's end. A
codec that crashes ends only this process.
The process ends when its input does, even in the middle of a shard, so that it never outlives the
process that started it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading

import msgspec

from sysnoise.pipelines.shards.strikes import WorkStep
from sysnoise.pipelines.workers.job import ShardJob, run_shard
from sysnoise.pipelines.workers.logs import printable_streams, set_up_logging


def main(job: ShardJob) -> None:
    """Make shards until standard input ends."""
    with printable_streams():
        _make_shards(job)


def _make_shards(job: ShardJob) -> None:
    set_up_logging()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Libraries may print.
    shards: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Thread(target=_read_shards, args=(shards,), daemon=True).start()

    def answer(**values: object) -> None:
        try:
            answers.write(json.dumps(msgspec.to_builtins(values)) + "\n")
        except BrokenPipeError:
            os._exit(0)  # The command is gone.

    def on_sample(done: int, sample: str | None, step: WorkStep) -> None:
        answer(done=done, sample=sample, step=step)

    while True:
        answer(failure=run_shard(job, shards.get(), on_sample))


def _read_shards(shards: queue.SimpleQueue[int]) -> None:
    for line in sys.stdin:
        shards.put(int(line))
    os._exit(0)  # Whatever the main thread is doing.


if __name__ == "__main__":
    main(ShardJob(**json.loads(sys.stdin.readline())))
