//! Whole jobs: the rows are made and written to files, and read again into nothing.
//!
//! What making the rows takes is taken off what writing takes. In the file of a name with `1 % bad` every hundredth line does not
//! fit: it has one column too many, or is cut in half where it is JSON.

use std::fs;
use std::path::{Path, PathBuf};

use flott_api::{Error, Result};

use super::RUNS;
use crate::flink::{Answer, Flink};
use crate::large::bytes_below;
use crate::line::{Cost, Line, Other};
use crate::run::{self, Run};

const FORMATS: [&str; 10] =
    ["csv", "json", "debezium-json", "canal-json", "maxwell-json", "ogg-json", "raw", "avro", "parquet", "orc"];
/// Formats whose bad lines are measured.
const DAMAGED: [&str; 2] = ["csv", "json"];
const DAMAGED_SUFFIX: &str = " with 1 % bad";
/// One line of so many is bad.
const BAD_EVERY: u64 = 100;
const NOTHING: &str = "no format";
/// The columns, and how they are made.
const COLUMNS: &str = "id BIGINT, name STRING, price DECIMAL(10, 2), score DOUBLE, moment TIMESTAMP(3), is_new BOOLEAN";
const SELECTED: &str = "id, 'customer ' || CAST(MOD(id, 100000) AS STRING), CAST(MOD(id, 10000) AS DECIMAL(10, 2)), \
    CAST(id AS DOUBLE) / 7, CAST(TO_TIMESTAMP_LTZ(id * 1000, 3) AS TIMESTAMP(3)), MOD(id, 3) = 0";
/// The same for `raw`, which has one column.
const RAW_COLUMNS: &str = "line STRING";
const RAW_SELECTED: &str = "'a line of some length for customer ' || CAST(id AS STRING)";

/// The names of all measurements.
pub(super) fn names() -> impl Iterator<Item = String> {
    let damaged = DAMAGED.iter().map(|format| format!("{format}{DAMAGED_SUFFIX}"));
    std::iter::once(NOTHING.to_owned()).chain(FORMATS.map(str::to_owned)).chain(damaged)
}

/// The lines of one of them.
pub(super) fn lines(name: &str, rows: u64, folder: &Path, flink: Option<&Flink>) -> Result<Vec<Line>> {
    let format = name.strip_suffix(DAMAGED_SUFFIX).unwrap_or(name);
    let jobs = Jobs { format, rows, folder, flink };
    match name {
        NOTHING => jobs.made(),
        _ if name == format => jobs.whole(),
        _ => jobs.damaged(name),
    }
}

struct Jobs<'a> {
    format: &'a str,
    rows: u64,
    folder: &'a Path,
    flink: Option<&'a Flink>,
}

impl Jobs<'_> {
    /// What the rows cost before anything is done with them.
    fn made(&self) -> Result<Vec<Line>> {
        let ours = self.ours(&self.writing(NOTHING, Path::new("")), None, self.rows)?;
        let flink = self.flinks(&[(self.writing(NOTHING, Path::new("")), Some(self.rows))])?;
        Ok(vec![self.line(NOTHING, "make", 0, ours, took(&flink, 0, 0))])
    }

    /// The lines of a format.
    fn whole(&self) -> Result<Vec<Line>> {
        let (files, theirs) = (self.folder.join("files"), self.folder.join("flink-files"));
        let nothing = self.writing(NOTHING, Path::new(""));
        let made = self.ours(&nothing, None, self.rows)?;
        let written = self.ours(&self.writing(self.format, &files), Some(&files), 0)?.without(made);
        let bytes = bytes_below(&files)?;
        let read = self.ours(&self.reading(&files, ""), None, self.rows)?;
        let answers = self.flinks(&[
            (nothing, Some(self.rows)),
            (format!("--! empty {};\n{}", theirs.display(), self.writing(self.format, &theirs)), None),
            (self.reading(&files, ""), Some(self.rows)),
        ])?;
        let flink = match answers.as_slice() {
            [made, written, _] => {
                // What Flink wrote are the same rows.
                self.counted(&run::script(&self.reading(&theirs, ""), 1)?, self.rows)?;
                Other::Took(bytes_below(&theirs)?, least(written).without(least(made)))
            }
            _ => Other::Unasked,
        };
        let writing = self.line(self.format, "write", bytes, written, flink);
        Ok(vec![writing, self.line(self.format, "read", bytes, read, took(&answers, 2, bytes))])
    }

    /// Reading lines of which some are bad, beside reading the same lines when all are good.
    fn damaged(&self, name: &str) -> Result<Vec<Line>> {
        let (files, bad) = (self.folder.join("files"), self.folder.join("bad"));
        run::script(&self.writing(self.format, &files), 1)?;
        let dead = self.damage(&files, &bad)?;
        let skip = format!(", '{}.ignore-parse-errors' = 'true'", self.format);
        let keep = format!(", '{}.dead-letter.table' = 'letters'", self.format);
        let (clean, skipping, keeping) =
            (self.reading(&files, ""), self.reading(&bad, &skip), self.reading(&bad, &keep));
        let ours = [
            ("clean", self.ours(&clean, None, self.rows)?),
            ("skipped", self.ours(&skipping, None, self.rows - dead)?),
            // Rows and dead letters go into one sink.
            ("dead letters", self.ours(&keeping, None, self.rows)?),
        ];
        let flink = self.flinks(&[(clean, Some(self.rows)), (skipping, Some(self.rows - dead))])?;
        let line = |(i, (what, cost)): (usize, &(&str, Cost))| {
            let bytes = bytes_below(if i == 0 { &files } else { &bad })?;
            let flink = match self.flink {
                Some(_) if i == 2 => Other::Left("Flink has none"),
                _ => took(&flink, i, bytes),
            };
            Ok(self.line(&format!("{name}: {what}"), "read", bytes, *cost, flink))
        };
        ours.iter().enumerate().map(line).collect()
    }

    fn line(&self, name: &str, way: &'static str, bytes: u64, ours: Cost, flink: Other) -> Line {
        Line { name: name.to_owned(), way, rows: self.rows, bytes, ours, flink }
    }

    /// What a script takes here; `output` is emptied before each run.
    fn ours(&self, script: &str, output: Option<&PathBuf>, rows: u64) -> Result<Cost> {
        let mut costs = Vec::new();
        for _ in 0..RUNS {
            if let Some(folder) = output.filter(|folder| folder.exists()) {
                fs::remove_dir_all(folder).map_err(failed)?;
            }
            let run = run::script(script, 1)?;
            self.counted(&run, rows)?;
            costs.push(Cost { seconds: run.seconds, cpu_seconds: run.cpu_seconds });
        }
        Ok(Cost::least(costs.into_iter()))
    }

    /// Copies files with some lines that do not fit, and says how many.
    fn damage(&self, from: &Path, to: &Path) -> Result<u64> {
        fs::create_dir(to).map_err(failed)?;
        let mut bad = 0;
        for entry in fs::read_dir(from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let text = fs::read(entry.path()).map_err(failed)?;
            let mut damaged = Vec::with_capacity(text.len());
            for (line, number) in text.split_inclusive(|byte| *byte == b'\n').zip(1..) {
                let whole = line.strip_suffix(b"\n").unwrap_or(line);
                match (number % BAD_EVERY, self.format) {
                    (0, "csv") => damaged.extend_from_slice(&[whole, b",more"].concat()),
                    (0, _) => damaged.extend_from_slice(&whole[..whole.len() / 2]),
                    _ => damaged.extend_from_slice(whole),
                }
                damaged.push(b'\n');
                bad += u64::from(number % BAD_EVERY == 0);
            }
            fs::write(to.join(entry.file_name()), damaged).map_err(failed)?;
        }
        Ok(bad)
    }

    fn counted(&self, run: &Run, rows: u64) -> Result<()> {
        self.expected(run.rows, rows, "Flott")
    }

    fn expected(&self, rows: u64, expected: u64, whose: &str) -> Result<()> {
        if rows == expected {
            return Ok(());
        }
        Err(Error::internal(format!("{whose} reads {rows} rows of {} instead of {expected}", self.format)))
    }

    /// What Flink takes for scripts, and how many rows should come of each; nothing if it is not asked.
    fn flinks(&self, scripts: &[(String, Option<u64>)]) -> Result<Vec<Vec<Answer>>> {
        let Some(flink) = self.flink else { return Ok(Vec::new()) };
        let mut arguments = vec![RUNS.to_string()];
        for (number, (script, _)) in scripts.iter().enumerate() {
            let path = self.folder.join(format!("{number}.sql"));
            fs::write(&path, script).map_err(failed)?;
            arguments.push(path.display().to_string());
        }
        let mut answers = flink.ask("Jobs", &arguments)?.into_iter();
        let mut of_scripts = Vec::new();
        for (_, rows) in scripts {
            let runs: Vec<Answer> = answers.by_ref().take(RUNS).collect();
            if let Some(rows) = rows {
                runs.iter().try_for_each(|run| self.expected(run.rows, *rows, "Flink"))?;
            }
            of_scripts.push(runs);
        }
        Ok(of_scripts)
    }

    /// The script that writes files; with [`NOTHING`] for a format it makes the rows only.
    fn writing(&self, format: &str, files: &Path) -> String {
        let sink = match format {
            NOTHING => "'measure'".to_owned(),
            _ => of_files(format, files),
        };
        let (columns, selected) = if self.format == "raw" { (RAW_COLUMNS, RAW_SELECTED) } else { (COLUMNS, SELECTED) };
        let rows = self.rows;
        format!(
            "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '{rows}', \
               'rows-per-second' = '1000000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{}');
CREATE TABLE files ({columns}) WITH ('connector' = {sink});
INSERT INTO files SELECT {selected} FROM numbers;",
            rows - 1
        )
    }

    /// The script that reads them.
    fn reading(&self, files: &Path, options: &str) -> String {
        let columns = if self.format == "raw" { RAW_COLUMNS } else { COLUMNS };
        let letters = "CREATE TABLE letters (`raw` BYTES, cause STRING, origin STRING) WITH ('connector' = 'measure');";
        format!(
            "{letters}
CREATE TABLE files ({columns}) WITH ('connector' = {}{options});
CREATE TABLE gone ({columns}) WITH ('connector' = 'measure');
INSERT INTO gone SELECT * FROM files;",
            of_files(self.format, files)
        )
    }
}

fn least(runs: &[Answer]) -> Cost {
    Cost::least(runs.iter().map(|run| run.cost))
}

fn took(answers: &[Vec<Answer>], script: usize, bytes: u64) -> Other {
    answers.get(script).map_or(Other::Unasked, |runs| Other::Took(bytes, least(runs)))
}

fn of_files(format: &str, files: &Path) -> String {
    format!("'filesystem', 'path' = 'file://{}', 'format' = '{format}'", files.display())
}

fn failed(e: std::io::Error) -> Error {
    Error::external("the files of the measurement cannot be used").with_source(e)
}
