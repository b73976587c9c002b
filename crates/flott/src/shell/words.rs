//! The words of Flink SQL that the shell colours and completes.

/// Keywords, upper case, sorted.
#[rustfmt::skip]
pub(super) const KEYWORDS: &[&str] = &[
    "ADD", "ALL", "ALTER", "AND", "ANY", "ARRAY", "AS", "ASC", "BEGIN", "BETWEEN", "BIGINT", "BINARY", "BOOLEAN", "BY",
    "BYTES", "CASE", "CAST", "CATALOG", "CATALOGS", "CHAR", "CLEAR", "COLUMNS", "COMMENT", "CONSTRAINT", "CREATE",
    "CROSS", "CUMULATE", "CURRENT", "DATABASE", "DATABASES", "DATE", "DAY", "DECIMAL", "DELETE", "DESC", "DESCRIBE",
    "DESCRIPTOR", "DISTINCT", "DOUBLE", "DROP", "ELSE", "END", "ENFORCED", "ESCAPE", "EXCEPT", "EXECUTE", "EXISTS",
    "EXIT", "EXPLAIN", "FALSE", "FETCH", "FILTER", "FIRST", "FLOAT", "FOR", "FROM", "FULL", "FUNCTIONS", "GROUP",
    "HAVING", "HELP", "HOP", "HOUR", "IF", "IN", "INNER", "INSERT", "INT", "INTERSECT", "INTERVAL", "INTO", "IS", "JOB",
    "JOBS", "JOIN", "KEY", "LAST", "LATERAL", "LEFT", "LIKE", "LIMIT", "MAP", "METADATA", "MINUTE", "MONTH", "MULTISET",
    "NOT", "NULL", "NULLS", "OF", "OFFSET", "ON", "OR", "ORDER", "OUTER", "OVER", "OVERWRITE", "PARTITION",
    "PARTITIONED", "PRIMARY", "QUIT", "RESET", "RIGHT", "ROW", "ROWS", "SECOND", "SELECT", "SESSION", "SET", "SHOW",
    "SMALLINT", "STATEMENT", "STOP", "STRING", "SYSTEM_TIME", "TABLE", "TABLES", "TEMPORARY", "THEN", "TIME",
    "TIMESTAMP", "TIMESTAMP_LTZ", "TINYINT", "TO", "TRUE", "TRY_CAST", "TUMBLE", "UNION", "UNNEST", "UPDATE", "USE",
    "USING", "VALUES", "VARBINARY", "VARCHAR", "VIEW", "VIEWS", "VIRTUAL", "WATERMARK", "WHEN", "WHERE", "WINDOW",
    "WITH", "WITHIN", "YEAR",
];

/// Whether a word is a keyword.
pub(super) fn is_keyword(word: &str) -> bool {
    word.is_ascii() && KEYWORDS.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(KEYWORDS.is_sorted());
        assert!(is_keyword("select"));
        assert!(!is_keyword("selection"));
    }
}
