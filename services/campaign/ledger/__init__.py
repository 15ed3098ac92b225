"""The ledger (总账): double entry, append-only, hash-chained. docs/decisions/0009-ledger.md says why so."""
