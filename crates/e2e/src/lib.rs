//! SQL end to end, against recordings of real Flink: all of it is in `tests/it`.
