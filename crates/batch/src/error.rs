//! Errors through DataFusion and back: ours come out as they went in.

use arrow_schema::ArrowError;
use datafusion_common::DataFusionError;
use flott_api::Error;

/// An error of ours, for DataFusion to carry.
pub(crate) fn carried(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What DataFusion carried, or what it says itself.
pub(crate) fn released(error: DataFusionError) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => released(*inner),
        DataFusionError::External(inner) => of_box(inner),
        DataFusionError::ArrowError(inner, _) => of_arrow(*inner),
        DataFusionError::Shared(shared) => match carried_by(&shared) {
            Some(ours) => copied(ours),
            None => of_datafusion(&shared),
        },
        other => of_datafusion(&other),
    }
}

fn of_box(inner: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match inner.downcast::<Error>() {
        Ok(ours) => *ours,
        Err(inner) => match inner.downcast::<DataFusionError>() {
            Ok(theirs) => released(*theirs),
            Err(other) => Error::internal("a bounded query failed").with_source(other),
        },
    }
}

fn of_arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => of_box(inner),
        other => Error::from(other),
    }
}

/// Ours, somewhere below an error that several wait for.
fn carried_by(error: &DataFusionError) -> Option<&Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return Some(ours);
        }
        next = error.source();
    }
    None
}

fn copied(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.to_string()).with_location(error.location());
    let copy = error.detail().into_iter().fold(copy, Error::with_detail);
    error.hint().into_iter().fold(copy, Error::with_hint)
}

/// Whether it says that there is no memory left.
pub(crate) fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

fn of_datafusion(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(text) => {
            Error::invalid("a bounded query needs more memory than it may take and cannot spill")
                .with_detail(format!("{}.", text.lines().next().unwrap_or_default().trim_end_matches('.')))
                .with_hint(
                    "SET 'taskmanager.memory.managed.size' to more, or put the smaller table of a join on its right.",
                )
        }
        DataFusionError::IoError(e) => {
            Error::external("a file for what does not fit into memory failed").with_source(e.to_string())
        }
        other => Error::internal("a bounded query failed").with_source(other.strip_backtrace()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flott_api::ErrorKind;

    use super::*;

    #[test]
    fn an_error_of_ours_comes_back_from_wherever_it_lies() {
        let ours = || carried(Error::data("a record is bad").with_hint("Mend it."));
        let arrow = || DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(ours()))), None);
        let all = [ours(), ours().context("while it sorts"), DataFusionError::Shared(Arc::new(ours())), arrow()];
        for error in all {
            let error = released(error);
            assert_eq!(
                (error.kind(), error.message(), error.hint()),
                (ErrorKind::Data, "a record is bad", Some("Mend it."))
            );
        }
    }

    #[test]
    fn too_little_memory_is_said_as_such() {
        let error = released(DataFusionError::ResourcesExhausted("no more\nx".to_owned()).context("HashJoin"));
        assert_eq!((error.kind(), error.detail()), (ErrorKind::Invalid, Some("no more.")));
    }
}
