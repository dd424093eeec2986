"""After a commit: offer ready effects to workers, publish events to the stream and to replies, wake the clock.

The rows are the truth and the calls to Redis are hints: what is lost here, the sweep finds and sends again.
"""
