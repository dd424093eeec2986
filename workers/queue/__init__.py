"""Dramatiq on Redis: the broker, its consumers, the form of a message, and the names of all keys.

A message is a wake-up that carries an id or an envelope; the database is the truth. `command_consumer` hands many
envelopes at once to `commands.handler`, `consumer` hands ids of effects to Dramatiq's threads.
"""
