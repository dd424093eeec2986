"""Write a command to Redis in one piece: redis-py cuts one of a megabyte into hundreds of writes."""

from redis.exceptions import DataError

Word = bytes | bytearray | memoryview | str | int | float


class OnePiece:
    """A `command_packer` for redis-py. It has no state, so one serves every connection."""

    def pack(self, *words: Word) -> list[bytes]:
        """A command in Redis's protocol. A name of two words (`CONFIG GET`) becomes two arguments."""
        texts = [*_bytes(words[0]).split(), *map(_bytes, words[1:])]
        return [b"*%d\r\n" % len(texts) + b"".join([b"$%d\r\n%b\r\n" % (len(text), text) for text in texts])]


def _bytes(word: Word) -> bytes:
    if isinstance(word, str):
        return word.encode()
    if isinstance(word, bytes | bytearray | memoryview):
        return bytes(word)
    if isinstance(word, bool) or not isinstance(word, int | float):
        raise DataError(f"a word of type {type(word).__name__} can't be sent; make it bytes, a text or a number")
    return repr(word).encode()
