//! JSON of plans: as deep as expressions are, so neither the parser's own bound nor a worker's stack may end it.

use serde::de::{self, DeserializeOwned};

/// An expression of the greatest depth that `sql` plans, 256, takes about five levels for each of its own.
const DEPTH_MAX: usize = 4096;
/// Stack for each level in a build without optimisation, generously. What lies behind a thread's own is mapped, not filled.
const LEVEL_BYTES: usize = 32 << 10;

/// Reads a value.
///
/// # Errors
/// If the text is no JSON, does not fit, or is nested too deeply.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let depth = depth(bytes);
    if depth > DEPTH_MAX {
        return Err(de::Error::custom(format!("it is nested {depth} levels deep, and may be {DEPTH_MAX}")));
    }
    let stack_bytes = (depth + 1) * LEVEL_BYTES;
    stacker::maybe_grow(stack_bytes, stack_bytes, || {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        deserializer.disable_recursion_limit();
        let value = T::deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    })
}

/// How many brackets are open at most.
fn depth(bytes: &[u8]) -> usize {
    let (mut open, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                open += 1;
                most = most.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use flott_api::expr::Expr;
    use flott_api::{LogicalType, TypeKind};

    use super::*;

    #[test]
    fn an_expression_as_deep_as_any_plan_has_it_survives() {
        let int = LogicalType::new(TypeKind::Int);
        let leaf = Expr::column(0, int.clone());
        let deep = (0..256).fold(leaf, |below, _| {
            let condition = Expr::column(1, LogicalType::new(TypeKind::Boolean));
            Expr::Case {
                branches: vec![(condition, below.clone())],
                otherwise: Box::new(Expr::column(0, int.clone())),
                ty: int.clone(),
            }
        });
        let bytes = serde_json::to_vec(&deep).unwrap();
        assert_eq!(read::<Expr>(&bytes).unwrap(), deep);
        let value = read::<serde_json::Value>(&bytes).unwrap();
        assert_eq!(serde_json::to_vec(&value).unwrap(), bytes);
    }

    #[test]
    fn what_is_deeper_is_an_error() {
        for open in ["[", "{\"a\":"] {
            let error = read::<serde_json::Value>(open.repeat(1_000_000).as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("it is nested 1000000 levels deep"), "{error}");
            assert!(read::<serde_json::Value>(open.repeat(DEPTH_MAX).as_bytes()).is_err());
        }
        let text = format!("\"{}\\\"{}\"", "[".repeat(5000), "{".repeat(5000));
        assert!(read::<String>(text.as_bytes()).is_ok());
    }
}
