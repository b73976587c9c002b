//! `'connector' = 'print'`: every change as a line on standard output, `+I[1, a]`.
//!
//! Counterpart of Flink's print sink with its prefixes: `id> ` for a `print-identifier`, `id:2> ` or `2> ` if the
//! sink has several subtasks. Values are written as Flink's Java objects print. When nobody reads the output any more
//! (`| head`), the job is stopped without an error.
//!
//! At-least-once, as in Flink: a line is out when its row comes, and comes again after a failure if the row lies behind
//! the last checkpoint.

use async_trait::async_trait;
use bytes::Bytes;
use flott_api::env::{ConsoleState, Environment};
use flott_api::options::{ConfigOption, OptionTable, Options, SINK_PARALLELISM};
use flott_api::sink::{Committable, Committer, Sink, SinkWriter, WriterContext};
use flott_api::source::Source;
use flott_api::table::{
    ChangelogMode, ConnectorDescription, SinkDescription, SinkSpec, SourceDescription, SourceSpec, TableContext,
    TableFactory,
};
use flott_api::{ChangeBatch, Error, Result, Schema};
use flott_functions::{TextStyle, format_value};

const OPTIONS: OptionTable = &[
    ConfigOption::text("print-identifier", "What stands before each line: `id> `."),
    ConfigOption::flag("standard-error", "Whether lines go to standard error.").or("false"),
    SINK_PARALLELISM,
];

/// The connector.
#[derive(Debug)]
pub struct Print;

#[derive(Clone, Debug, Default)]
struct PrintOptions {
    identifier: String,
    standard_error: bool,
    parallelism: Option<u32>,
}

impl PrintOptions {
    fn read(options: &Options) -> Result<Self> {
        let reader = DESCRIPTION.reader(options);
        reader.allow("property-version");
        let read = PrintOptions {
            identifier: reader.text("print-identifier").unwrap_or_default().to_owned(),
            standard_error: reader.value_or("standard-error", false)?,
            parallelism: reader.value("sink.parallelism")?,
        };
        reader.finish()?;
        if read.parallelism == Some(0) {
            return Err(Error::invalid("option 'sink.parallelism' must be at least 1"));
        }
        Ok(read)
    }
}

/// What it is, for its users.
static DESCRIPTION: ConnectorDescription = ConnectorDescription {
    identifier: "print",
    about: "changes as lines on standard output",
    source: false,
    sink: true,
    format: false,
    options: &[OPTIONS],
};

impl TableFactory for Print {
    fn description(&self) -> &'static ConnectorDescription {
        &DESCRIPTION
    }

    fn describe_source(&self, table: &TableContext) -> Result<SourceDescription> {
        Err(unreadable(&table.path))
    }

    fn describe_sink(&self, table: &TableContext) -> Result<SinkDescription> {
        let parallelism = PrintOptions::read(&table.options)?.parallelism;
        Ok(SinkDescription {
            changelog: ChangelogMode::ALL,
            needs_update_before: false,
            metadata: Vec::new(),
            overwrite: false,
            parallelism,
        })
    }

    fn source(&self, spec: &SourceSpec) -> Result<Box<dyn Source>> {
        Err(unreadable(&spec.table))
    }

    fn sink(&self, spec: &SinkSpec) -> Result<Box<dyn Sink>> {
        let options = PrintOptions::read(&spec.options)?;
        Ok(Box::new(PrintSink { options, schema: spec.schema.clone(), zone: spec.session_zone.clone() }))
    }
}

fn unreadable(table: &str) -> Error {
    Error::invalid(format!("table '{table}' of connector 'print' cannot be read"))
}

struct PrintSink {
    options: PrintOptions,
    schema: Schema,
    zone: String,
}

impl Sink for PrintSink {
    fn writer(&self, cx: WriterContext) -> Result<Box<dyn SinkWriter>> {
        let identifier = &self.options.identifier;
        let prefix = match (identifier.is_empty(), cx.subtask.parallelism > 1) {
            (true, false) => String::new(),
            (false, false) => format!("{identifier}> "),
            (true, true) => format!("{}> ", cx.subtask.index + 1),
            (false, true) => format!("{identifier}:{}> ", cx.subtask.index + 1),
        };
        Ok(Box::new(PrintWriter {
            environment: cx.environment,
            standard_error: self.options.standard_error,
            prefix,
            schema: self.schema.clone(),
            zone: self.zone.clone(),
        }))
    }

    fn committer(&self, _environment: &Environment) -> Result<Option<Box<dyn Committer>>> {
        Ok(None)
    }
}

struct PrintWriter {
    environment: Environment,
    standard_error: bool,
    prefix: String,
    schema: Schema,
    zone: String,
}

impl PrintWriter {
    fn lines(&self, batch: &ChangeBatch) -> Result<String> {
        let mut out = String::new();
        for row in 0..batch.len() {
            out.push_str(&self.prefix);
            out.push_str(batch.kind(row).short());
            out.push('[');
            for (i, (column, field)) in batch.rows().columns().iter().zip(&self.schema.fields).enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                format_value(column, row, &field.ty, &self.zone, TextStyle::Print, &mut out)?;
            }
            out.push_str("]\n");
        }
        Ok(out)
    }
}

#[async_trait]
impl SinkWriter for PrintWriter {
    async fn write(&mut self, batch: ChangeBatch) -> Result<()> {
        let lines = Bytes::from(self.lines(&batch)?);
        let console = &self.environment.console;
        let state = if self.standard_error { console.stderr(lines)? } else { console.stdout(lines)? };
        match state {
            ConsoleState::Open => Ok(()),
            ConsoleState::Closed => Err(Error::cancelled("nobody reads what the print connector writes")),
        }
    }

    async fn prepare_commit(&mut self, _end_of_input: bool) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use flott_api::ids::{JobId, Subtask};
    use flott_api::testing::{FakeWorld, SinkWorld, batch, lines, ready, sink_contract};
    use flott_api::{Field, LogicalType, TypeKind};

    use super::*;

    fn printed(pairs: &[(&str, &str)], subtask: Subtask) -> (String, String) {
        let options = Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
        let schema = Schema::new(vec![
            Field::new("a", LogicalType::new(TypeKind::Int)),
            Field::new("b", LogicalType::string()),
            Field::new("c", LogicalType::new(TypeKind::Timestamp(3))),
        ]);
        let spec = SinkSpec {
            connector: "print".to_owned(),
            table: "t".to_owned(),
            options,
            schema: schema.clone(),
            metadata: Vec::new(),
            partition_keys: Vec::new(),
            static_partition: BTreeMap::new(),
            primary_key: Vec::new(),
            changelog: ChangelogMode::ALL,
            overwrite: false,
            session_zone: "UTC".to_owned(),
        };
        let world = FakeWorld::at(0);
        let metrics = Arc::default();
        let cx =
            WriterContext { job: JobId(1), restored: Vec::new(), subtask, environment: world.environment(), metrics };
        let mut writer = Print.sink(&spec).unwrap().writer(cx).unwrap();
        ready(writer.write(batch(&schema, "+I | 1 | x | 0\n-U | NULL | '' | 1500"))).unwrap();
        (world.stdout(), world.stderr())
    }

    #[test]
    fn lines_are_flinks() {
        let one = Subtask { index: 0, parallelism: 1 };
        let second = Subtask { index: 1, parallelism: 2 };
        let lines =
            |prefix: &str| format!("{prefix}+I[1, x, 1970-01-01T00:00]\n{prefix}-U[null, , 1970-01-01T00:00:01.500]\n");
        assert_eq!(printed(&[], one), (lines(""), String::new()));
        assert_eq!(printed(&[("print-identifier", "id")], one).0, lines("id> "));
        assert_eq!(printed(&[("print-identifier", "id")], second).0, lines("id:2> "));
        assert_eq!(printed(&[], second).0, lines("2> "));
        assert_eq!(printed(&[("standard-error", "true")], one), (String::new(), lines("")));
    }

    #[test]
    fn a_line_is_out_before_its_checkpoint_is() {
        let schema = Schema::new(vec![Field::new("a", LogicalType::new(TypeKind::Int))]);
        let table = schema.clone();
        let world = move || {
            let (world, schema) = (FakeWorld::at(0), table.clone());
            let environment = world.environment();
            let sink = move || -> Box<dyn Sink> {
                Box::new(PrintSink { options: PrintOptions::default(), schema: schema.clone(), zone: "UTC".into() })
            };
            let visible = move || world.stdout().lines().map(str::to_owned).collect();
            SinkWorld { sink: Box::new(sink), environment, visible: Box::new(visible), hidden: Box::new(|| 0) }
        };
        let rows = |batches: &[ChangeBatch]| {
            batches.iter().flat_map(lines).map(|l| format!("{}]", l.replace(" | ", "["))).collect()
        };
        sink_contract(&world, &[batch(&schema, "+I | 1\n-D | 1"), batch(&schema, "+I | 2")], &rows);
    }

    #[test]
    fn an_unknown_option_is_refused() {
        let options = Options([("print-identifer".to_owned(), "x".to_owned())].into());
        assert_eq!(PrintOptions::read(&options).unwrap_err().hint(), Some("Did you mean 'print-identifier'?"));
    }
}
