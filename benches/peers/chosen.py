#!/usr/bin/env python3
"""Counts TCP flows of more than three packets to or from port 80 that come from 140.119.0.0/16.

    chosen.py duckdb|polars FILE

FILE has nine columns separated by TABs."""
import sys

NAMES = "sif sip dip dif proto sport dport packets octets".split()
engine, path = sys.argv[1:3]
if engine == "duckdb":
    import duckdb

    kinds = ", ".join(f"'{name}': '{'VARCHAR' if name in ('sip', 'dip') else 'UBIGINT'}'" for name in NAMES)
    rows = f"read_csv('{path}', delim='\t', header=false, quote='', columns={{{kinds}}})"
    wanted = "proto = 6 AND (sport = 80 OR dport = 80) AND sip LIKE '140.119.%' AND packets > 3"
    print(duckdb.sql(f"SELECT count(*) FROM {rows} WHERE {wanted}").fetchall()[0][0])
else:
    import polars as pl

    kinds = {name: pl.String if name in ("sip", "dip") else pl.UInt64 for name in NAMES}
    rows = pl.scan_csv(path, separator="\t", has_header=False, schema=kinds, quote_char=None)
    c = pl.col
    wanted = (c("proto") == 6) & ((c("sport") == 80) | (c("dport") == 80)) & (c("packets") > 3)
    rows = rows.filter(wanted & c("sip").str.starts_with("140.119."))
    print(rows.select(pl.len()).collect(engine="streaming").item())
