"""Bytes on a disk: files that appear whole, folders that are walked and removed by descriptor, archives, zips.

Nothing here knows where a site is in its life. A tree goes in (`site_walk`), an archive comes out (`archive_writer`),
and the same archive is read back by a reader of our own (`archive_reader`, `archive_unpack`). A customer's database is
opened only in a helper process (`customer_database`).
"""
