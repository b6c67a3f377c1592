// Jobs: the queue.
