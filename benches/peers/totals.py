#!/usr/bin/env python3
"""Sums flows, packets and bytes by source, or by address on either side, with other engines.

    totals.py duckdb|polars sip|addr FILE [all]

FILE has nine columns separated by TABs. Prints the ten keys with the most bytes, or all keys, as key, flows,
packets and bytes, in descending order of bytes and ascending order of keys."""
import sys

NAMES = "sif sip dip dif proto sport dport packets octets".split()


def by_duckdb(key, path, limit):
    import duckdb

    types = ", ".join(f"'{name}': '{'VARCHAR' if name in ('sip', 'dip') else 'UBIGINT'}'" for name in NAMES)
    rows = f"read_csv('{path}', delim='\t', header=false, quote='', columns={{{types}}})"
    if key == "addr":
        rows = (f"(WITH rows AS MATERIALIZED (SELECT sip, dip, packets, octets FROM {rows}) SELECT sip AS addr, packets, octets"
                f" FROM rows UNION ALL SELECT dip, packets, octets FROM rows)")
    query = (f"SELECT {key}, count(*), sum(packets)::UBIGINT, sum(octets)::UBIGINT AS sum FROM {rows}"
             f" GROUP BY {key} ORDER BY sum DESC, {key} {limit and f'LIMIT {limit}' or ''}")
    return duckdb.sql(query).fetchall()


def by_polars(key, path, limit):
    import polars as pl

    kinds = {name: pl.String if name in ("sip", "dip") else pl.UInt64 for name in NAMES}
    rows = pl.scan_csv(path, separator="\t", has_header=False, schema=kinds, quote_char=None)
    if key == "addr":
        sides = [rows.select(pl.col(side).alias("addr"), "packets", "octets") for side in ("sip", "dip")]
        rows = pl.concat(sides)
    sums = rows.group_by(key).agg(pl.len(), pl.col("packets").sum(), pl.col("octets").sum())
    sums = sums.sort(["octets", key], descending=[True, False])
    if limit:
        sums = sums.head(limit)
    return sums.collect(engine="streaming").rows()


engine, key, path = sys.argv[1:4]
limit = None if sys.argv[4:] == ["all"] else 10
for row in {"duckdb": by_duckdb, "polars": by_polars}[engine](key, path, limit):
    print(*row, sep="\t")
