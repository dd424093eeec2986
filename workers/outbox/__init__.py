"""After a commit: wake the workers whose effects are ready, and publish events to the stream and to reply streams.

What is lost here is found again by the sweep.
"""
