"""The hands: Dramatiq workers, the adapters and the command line."""
