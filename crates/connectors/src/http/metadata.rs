//! Metadata columns of answers.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, StringBuilder};
use arrow_array::{ArrayRef, Int32Array};
use flott_api::table::MetadataColumn;
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::web::headers::{Headers, headers_type};

const ERROR: &str = "error-string";
const STATUS: &str = "http-status-code";
const HEADERS: &str = "http-headers-map";
const STATE: &str = "http-completion-state";

/// How a request has ended, by Flink's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completion {
    Success,
    HttpErrorStatus,
    Exception,
    UnableToDeserializeResponse,
}

impl Completion {
    fn name(self) -> &'static str {
        match self {
            Completion::Success => "SUCCESS",
            Completion::HttpErrorStatus => "HTTP_ERROR_STATUS",
            Completion::Exception => "EXCEPTION",
            Completion::UnableToDeserializeResponse => "UNABLE_TO_DESERIALIZE_RESPONSE",
        }
    }
}

/// What is known of a request that has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) completion: Completion,
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(String, String)>,
    /// What went wrong.
    pub(super) error: Option<String>,
}

/// All there are.
pub(super) fn columns() -> Vec<MetadataColumn> {
    let column = |key: &str, ty| MetadataColumn { key: key.to_owned(), ty };
    vec![
        column(ERROR, LogicalType::string()),
        column(STATUS, LogicalType::new(TypeKind::Int)),
        column(HEADERS, headers_type()),
        column(STATE, LogicalType::string()),
    ]
}

/// The column of that key, of rows whose requests ended so.
///
/// # Errors
/// If there is no such key.
pub(super) fn column(key: &str, ty: &LogicalType, rows: &[&Ended]) -> Result<ArrayRef> {
    Ok(match key {
        ERROR => {
            let mut texts = StringBuilder::new();
            rows.iter().for_each(|row| texts.append_option(row.error.as_deref()));
            Arc::new(texts.finish())
        }
        STATUS => {
            let mut statuses = Int32Builder::new();
            rows.iter().for_each(|row| statuses.append_option(row.status.map(i32::from)));
            Arc::new(statuses.finish()) as Arc<Int32Array>
        }
        HEADERS => {
            let mut headers = Headers::default();
            rows.iter().for_each(|row| headers.push(row.status.map(|_| row.headers.as_slice())));
            headers.array(ty)?
        }
        STATE => {
            let mut texts = StringBuilder::new();
            rows.iter().for_each(|row| texts.append_value(row.completion.name()));
            Arc::new(texts.finish())
        }
        _ => return Err(Error::invalid(format!("an answer has no metadata '{key}'"))),
    })
}
