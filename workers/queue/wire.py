"""How a command travels to Redis: in one piece. redis-py cuts one of a megabyte into hundreds of calls."""

from redis.exceptions import DataError

Word = bytes | bytearray | memoryview | str | int | float


class OnePiece:
    """What redis-py takes as `command_packer`: it holds nothing, so that one serves every connection."""

    def pack(self, *words: Word) -> list[bytes]:
        """A command in Redis's protocol; its name may be two words (`CONFIG GET`), which the server wants apart."""
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
