//! Scripts in, answers out: every statement that a session answers, over connectors and files that exist only here.

mod alter;
mod beside;
mod catalogs;
mod errors;
mod files;
mod functions;
mod languages;
mod models;
mod oracle;
mod recovery;
mod settings;
mod tables;
mod views;

use std::sync::Arc;

use flott_api::function::{Declaration, UserFunction};
use flott_api::model::ModelProviders;
use flott_api::sink::Sink;
use flott_api::source::{Boundedness, Source};
use flott_api::table::{
    ChangelogMode, ConnectorDescription, MetadataColumn, PushDowns, SinkDescription, SinkSpec, SourceDescription,
    SourceSpec, TableContext, TableFactory,
};
use flott_api::{Error, LogicalType, Result};

use self::files::MemoryFiles;
use super::{Connectors, JobKind, Outcome, Session, TextTable};
use crate::config::{Configuration, Origin};
use crate::parser::parse_script;

/// A connector that takes part in plans only. It refuses what Flink's of that name refuses when they are described.
struct Fake(&'static str);

impl Fake {
    fn check(&self, table: &TableContext) -> Result<()> {
        let options = &table.options.0;
        if let Some(key) = options.keys().find(|key| *key == "nope") {
            return Err(Error::invalid(format!("connector '{}' has no option '{key}'", self.0)));
        }
        if let Some((key, _)) = options.iter().find(|(_, value)| ["many", "maybe", "nope"].contains(&value.as_str())) {
            return Err(Error::invalid(format!("option '{key}' is wrong")));
        }
        let needed = if self.0 == "filesystem" { &["path", "format"][..] } else { &[] };
        match needed.iter().find(|key| !options.contains_key(**key)) {
            Some(key) => Err(Error::invalid(format!("connector '{}' needs option '{key}'", self.0))),
            None => Ok(()),
        }
    }
}

impl TableFactory for Fake {
    fn description(&self) -> &'static ConnectorDescription {
        ALL.iter().find(|known| known.identifier == self.0).unwrap()
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        if matches!(self.0, "print" | "blackhole") {
            return Err(Error::invalid(format!("connector '{}' cannot be read", self.0)));
        }
        self.check(table)?;
        let path = MetadataColumn { key: "file.path".into(), ty: LogicalType::string() };
        Ok(SourceDescription {
            changelog: ChangelogMode::INSERT_ONLY,
            boundedness: Boundedness::Bounded,
            metadata: vec![path],
            push_downs: PushDowns::default(),
            parallelism: None,
            dead_letters: None,
        })
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        if self.0 == "datagen" {
            return Err(Error::invalid("connector 'datagen' cannot be written"));
        }
        self.check(table)?;
        let changelog = if self.0 == "filesystem" { ChangelogMode::INSERT_ONLY } else { ChangelogMode::ALL };
        Ok(SinkDescription {
            changelog,
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism: None,
        })
    }

    fn source(&self, _: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(Error::internal("a fake reads nothing"))
    }

    fn sink(&self, _: &SinkSpec) -> Result<Box<dyn Sink>> {
        Err(Error::internal("a fake writes nothing"))
    }
}

const IDENTIFIERS: [&str; 4] = ["blackhole", "datagen", "filesystem", "print"];
static ALL: [ConnectorDescription; 4] = [
    ConnectorDescription::internal(IDENTIFIERS[0]),
    ConnectorDescription::internal(IDENTIFIERS[1]),
    ConnectorDescription::internal(IDENTIFIERS[2]),
    ConnectorDescription::internal(IDENTIFIERS[3]),
];

struct Fakes;

impl Connectors for Fakes {
    fn find(&self, identifier: &str) -> Option<Arc<dyn TableFactory>> {
        let known = IDENTIFIERS.into_iter().find(|known| *known == identifier)?;
        Some(Arc::new(Fake(known)))
    }

    fn identifiers(&self) -> Vec<String> {
        IDENTIFIERS.map(str::to_owned).to_vec()
    }

    fn model_providers(&self) -> ModelProviders {
        ModelProviders::default().with(Arc::new(flott_api::testing::ModelTest::default()))
    }

    fn describe_function(&self, declaration: &Declaration) -> Result<UserFunction> {
        languages::describe(declaration)
    }
}

/// A session over these files.
fn session_over(files: &Arc<MemoryFiles>, options: &[(&str, &str)]) -> Result<Session> {
    let mut configuration = Configuration::default();
    for (key, value) in options {
        configuration.set(key, value, Origin::File)?;
    }
    Session::new(configuration, Arc::new(Fakes), Arc::clone(files) as _)
}

fn session() -> Session {
    session_over(&Arc::default(), &[]).unwrap()
}

/// The answers to a script, one after the other, up to the first text that is no statement.
fn run(session: &mut Session, script: &str) -> String {
    let mut text = String::new();
    for parsed in parse_script(script) {
        let answer = parsed.and_then(|parsed| session.execute(&parsed.statement));
        text.push_str(&answer.map_or_else(|e| shown(&e), |outcome| answered(&outcome)));
        text.push('\n');
    }
    text
}

/// The answers in a session of its own.
fn check(script: &str, expected: &expect_test::Expect) {
    expected.assert_eq(&run(&mut session(), script));
}

fn answered(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { warning: None } => "OK".to_owned(),
        Outcome::Done { warning: Some(warning) } => format!("OK, but {warning}"),
        Outcome::Table(table) => table_text(table),
        Outcome::Text(text) => text.trim_end().to_owned(),
        Outcome::Job(job) => match &job.kind {
            JobKind::Select { result } => {
                let column = |f: &flott_api::Field| format!("{} {}", f.name, f.ty);
                let columns: Vec<String> = job.schema.fields.iter().map(column).collect();
                format!("query {result}: {}", columns.join(", "))
            }
            JobKind::Insert { tables } => format!("insert into {}", tables.join(", ")),
        },
        other => format!("{other:?}"),
    }
}

fn table_text(table: &TextTable) -> String {
    let header = table.schema.fields.iter().map(|f| f.name.clone()).collect::<Vec<_>>().join(" | ");
    let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "-".to_owned());
    let rows = table.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" | "));
    std::iter::once(format!("[{header}]")).chain(rows).collect::<Vec<_>>().join("\n")
}

/// An error with its place, detail and hint.
fn shown(error: &Error) -> String {
    let mut text = error.location().map(|l| format!("{l}: ")).unwrap_or_default();
    text.push_str(&error.to_string());
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        text.push_str("\n  ");
        text.push_str(more);
    }
    text
}
