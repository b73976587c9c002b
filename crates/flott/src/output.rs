//! How rows are shown: Flink's tableau, changelog lines, CSV or JSON.
//!
//! A [`RowsWriter`] turns batches into bytes; whoever runs the query writes them to standard output. [`text_table`] does the
//! same for the answers to `SHOW` and `DESCRIBE`.

mod cells;
mod changelog;
mod csv;
mod final_rows;
mod json;
mod tableau;

use flott_api::{ChangeBatch, Result, Schema};
use flott_sql::config::Configuration;
use flott_sql::session::TextTable;

use crate::arguments::OutputFormat;

/// How results look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Flink's tableau.
    Tableau,
    /// A line a change: `+I[1, x]`.
    Changelog,
    /// CSV with a header.
    Csv,
    /// A JSON object a line.
    Json,
}

/// What a result is shown with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// How it looks.
    pub style: Style,
    /// The session's zone.
    pub zone: String,
    /// `table.display.max-column-width`
    pub column_width_max: usize,
    /// Whether all rows are final, as in batch mode: a tableau has no column for what happened to them.
    pub is_final: bool,
}

impl View {
    /// What the command line and the configuration say.
    ///
    /// # Errors
    /// If an option has a wrong value.
    pub fn of(format: OutputFormat, configuration: &Configuration) -> Result<Self> {
        let style = match format {
            OutputFormat::Csv => Style::Csv,
            OutputFormat::Json => Style::Json,
            OutputFormat::Table if is_changelog_mode(configuration) => Style::Changelog,
            OutputFormat::Table => Style::Tableau,
        };
        Ok(View {
            style,
            zone: session_zone(configuration),
            column_width_max: configuration.value::<u32>("table.display.max-column-width")? as usize,
            is_final: is_batch_mode(configuration),
        })
    }
}

/// `sql-client.execution.result-mode` is the mode of changelog lines. `TABLE` is shown as `TABLEAU`.
fn is_changelog_mode(configuration: &Configuration) -> bool {
    let mode = configuration.get("sql-client.execution.result-mode");
    mode.is_some_and(|mode| mode.eq_ignore_ascii_case("CHANGELOG"))
}

fn is_batch_mode(configuration: &Configuration) -> bool {
    configuration.get("execution.runtime-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("BATCH"))
}

/// The session's zone; the planner reads `default` as UTC as well.
pub fn session_zone(configuration: &Configuration) -> String {
    match configuration.get("table.local-time-zone") {
        None | Some("default") => "UTC".to_owned(),
        Some(zone) => zone.to_owned(),
    }
}

/// How a result ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The query gave all of its rows.
    Complete,
    /// It was stopped.
    Terminated,
    /// Its job failed; the error is told elsewhere.
    Failed,
}

/// Turns a query's changes into bytes.
pub trait RowsWriter: Send {
    /// Appends the changes.
    ///
    /// # Errors
    /// If a value cannot be shown.
    fn rows(&mut self, batch: &ChangeBatch, out: &mut String) -> Result<()>;

    /// Appends what ends the result.
    fn end(&mut self, ending: Ending, out: &mut String);
}

/// A writer of a result with these columns.
pub fn rows_writer(view: &View, schema: &Schema) -> Box<dyn RowsWriter> {
    match view.style {
        Style::Tableau if view.is_final => Box::new(final_rows::FinalRows::new(view, schema)),
        Style::Tableau => Box::new(tableau::Tableau::new(view, schema)),
        Style::Changelog => Box::new(changelog::Changelog::new(view, schema)),
        Style::Csv => Box::new(csv::Csv::new(view, schema)),
        Style::Json => Box::new(json::Json::new(view, schema)),
    }
}

/// The answer to `SHOW`, `DESCRIBE` or `SET`; it has no changes, so no column `op`.
pub fn text_table(style: Style, table: &TextTable) -> String {
    match style {
        Style::Tableau | Style::Changelog => tableau::text_table(table),
        Style::Csv => csv::text_table(table),
        Style::Json => json::text_table(table),
    }
}

/// An answer in lines: a plan, a definition. JSON keeps it one object.
pub fn text(style: Style, text: &str) -> String {
    match style {
        Style::Json => json::text_table(&TextTable::column("result", [text.to_owned()])),
        _ => format!("{}\n", text.trim_end_matches('\n')),
    }
}

#[cfg(test)]
mod tests;
