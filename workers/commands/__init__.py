"""Envelopes in, answers out.

`envelope` and `payloads` check what came, `handler` takes many at once, `batch` judges them in one transaction,
`apply` writes a decision down, `answer` says what was decided, `log_lines` tells the operators.
"""
