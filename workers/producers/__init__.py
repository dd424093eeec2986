"""Who may send commands: the producers file, its keys and signatures, what each producer may do.

`file` reads, `loading` puts it into the database for all hosts, `known` is what a process checks commands against,
`editing` is what `tenure producer` changes.
"""
