//! The options of a model, under Flink's names, and what its columns must be.

use flott_api::model::ModelSpec;
use flott_api::options::OptionReader;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::rows::METADATA;
use crate::web::checked_url;
use crate::web::secret::Secret;

/// Options of chats: name, and the name that it had.
const OF_CHATS: [(&str, Option<&str>); 9] = [
    ("system-prompt", Some("systemPrompt")),
    ("temperature", None),
    ("top-p", Some("topP")),
    ("stop", None),
    ("max-tokens", Some("maxTokens")),
    ("presence-penalty", None),
    ("n", None),
    ("seed", None),
    ("response-format", None),
];
const OF_EMBEDDINGS: [(&str, Option<&str>); 1] = [("dimension", None)];
/// What is refused, because it needs the number of tokens of a text.
const OF_TOKENS: [&str; 2] = ["max-context-size", "context-overflow-action"];

const SYSTEM_PROMPT: &str = "You are a helpful assistant.";
const REPETITIONS: u32 = 100;

/// A model of the service. It has no `Debug`: there is a secret in it.
pub(super) struct ModelOptions {
    /// Where; without slashes at the end.
    pub(super) endpoint: String,
    pub(super) key: Secret,
    /// What the service calls it.
    pub(super) model: String,
    pub(super) task: Task,
    /// How often a request is sent again.
    pub(super) repetitions_max: u32,
    /// What becomes of a row without an answer.
    pub(super) fallback: Fallback,
}

/// What is asked.
pub(super) enum Task {
    Chat(Box<Chat>),
    Embedding {
        /// `dimension`
        dimension: Option<u64>,
    },
}

/// The parameters of a chat; the service has its own defaults.
pub(super) struct Chat {
    pub(super) system_prompt: String,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) stop: Option<Vec<String>>,
    pub(super) max_tokens: Option<i64>,
    pub(super) presence_penalty: Option<f64>,
    pub(super) n: Option<i64>,
    pub(super) seed: Option<i64>,
    pub(super) response_format: Option<&'static str>,
}

/// What becomes of a row without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    /// The job fails.
    Failover,
    /// It is left out, or comes with what went wrong where the model has columns for that.
    Ignore,
}

impl ModelOptions {
    /// Reads and checks them.
    pub(super) fn read(model: &ModelSpec) -> Result<Self> {
        let reader = OptionReader::new(&model.options, "provider 'openai'");
        if let Some(key) = OF_TOKENS.into_iter().find(|key| reader.text(key).is_some()) {
            return Err(Error::unsupported(format!("option '{key}' of provider 'openai'"))
                .with_detail("It needs the number of tokens of a text, which only the model's own tokenizer knows.")
                .with_hint("Cut the text in a query, as in LEFT(text, 4000)."));
        }
        let endpoint = checked_url("endpoint", reader.required("endpoint")?)?;
        let is_chat = is_chat(&endpoint)?;
        let (other, task) = if is_chat { (&OF_EMBEDDINGS[..], "chats") } else { (&OF_CHATS[..], "embeddings") };
        let mut foreign = other.iter().flat_map(|(key, old)| std::iter::once(*key).chain(*old));
        if let Some(key) = foreign.find(|key| model.options.0.contains_key(*key)) {
            return Err(Error::invalid(format!("option '{key}' means nothing to an endpoint of {task}")));
        }
        let (repetitions_max, fallback) = strategy(&reader)?;
        let options = ModelOptions {
            key: Secret::new(reader.required("api-key")?),
            model: reader.required("model")?.to_owned(),
            task: if is_chat { Task::Chat(Box::new(Chat::read(&reader)?)) } else { embedding(&reader)? },
            repetitions_max,
            fallback,
            endpoint,
        };
        reader.finish()?;
        check_columns(model, is_chat)?;
        Ok(options)
    }
}

/// Whether it is one of chats; otherwise it is one of embeddings.
fn is_chat(endpoint: &str) -> Result<bool> {
    let lower = endpoint.to_lowercase();
    match (lower.ends_with("/chat/completions"), lower.ends_with("/embeddings")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(Error::invalid("option 'endpoint' is of no service that is known")
            .with_hint("It must end with '/chat/completions' or '/embeddings'.")),
    }
}

/// How often a request is repeated, and what then.
fn strategy(reader: &OptionReader<'_>) -> Result<(u32, Fallback)> {
    let strategies = [("RETRY", None), ("FAILOVER", Some(Fallback::Failover)), ("IGNORE", Some(Fallback::Ignore))];
    let chosen = reader.choice("error-handling-strategy", &strategies, None)?;
    let repetitions = reader.value::<u32>("retry-num")?;
    let fallbacks = [("FAILOVER", Some(Fallback::Failover)), ("IGNORE", Some(Fallback::Ignore))];
    let fallback = reader.choice("retry-fallback-strategy", &fallbacks, None)?;
    match chosen {
        None => Ok((repetitions.unwrap_or(REPETITIONS), fallback.unwrap_or(Fallback::Failover))),
        Some(_) if repetitions.is_some() || fallback.is_some() => {
            let key = if repetitions.is_some() { "retry-num" } else { "retry-fallback-strategy" };
            Err(Error::invalid(format!("option '{key}' without 'error-handling-strategy' = 'RETRY'")))
        }
        Some(fallback) => Ok((0, fallback)),
    }
}

fn embedding(reader: &OptionReader<'_>) -> Result<Task> {
    let dimension = reader.value::<u64>("dimension")?;
    if dimension == Some(0) {
        return Err(Error::invalid("option 'dimension' must be more than 0"));
    }
    Ok(Task::Embedding { dimension })
}

impl Chat {
    fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let name = |key: &'static str| named(reader, key);
        let formats = [("text", Some("text")), ("json_object", Some("json_object"))];
        Ok(Chat {
            system_prompt: reader.text(name("system-prompt")?).unwrap_or(SYSTEM_PROMPT).to_owned(),
            temperature: reader.value(name("temperature")?)?,
            top_p: reader.value(name("top-p")?)?,
            stop: reader.text(name("stop")?).map(stops),
            max_tokens: reader.value(name("max-tokens")?)?,
            presence_penalty: reader.value(name("presence-penalty")?)?,
            n: reader.value(name("n")?)?,
            seed: reader.value(name("seed")?)?,
            response_format: reader.choice(name("response-format")?, &formats, None)?,
        })
    }
}

/// The name under which an option of chats is set: the old one where only that is there.
fn named(reader: &OptionReader<'_>, key: &'static str) -> Result<&'static str> {
    let old = OF_CHATS.into_iter().find(|(name, _)| *name == key).and_then(|(_, old)| old);
    match old.filter(|old| reader.text(old).is_some()) {
        Some(old) if reader.text(key).is_some() => {
            Err(Error::invalid(format!("options '{key}' and '{old}' are the same; only one may be set")))
        }
        Some(old) => Ok(old),
        None => Ok(key),
    }
}

/// Texts with commas between; empty ones at the end are none.
fn stops(text: &str) -> Vec<String> {
    let mut stops: Vec<String> = text.split(',').map(str::to_owned).collect();
    while stops.len() > 1 && stops.last().is_some_and(String::is_empty) {
        stops.pop();
    }
    stops
}

/// One text goes in; one text or vector comes out, and metadata.
fn check_columns(model: &ModelSpec, is_chat: bool) -> Result<()> {
    let vector = LogicalType::new(TypeKind::Array(Box::new(LogicalType::new(TypeKind::Float))));
    let answer = if is_chat { LogicalType::string() } else { vector };
    let input: Vec<_> = model.input.fields.iter().collect();
    one_column("INPUT", &input, &LogicalType::string())?;
    let (mut own, mut metadata) = (Vec::new(), Vec::new());
    for (field, key) in model.output.fields.iter().zip(&model.metadata) {
        match key {
            None => own.push(field),
            Some(key) => metadata.push((field, key)),
        }
    }
    one_column("OUTPUT", &own, &answer)?;
    for (field, key) in metadata {
        let Some((_, kind)) = METADATA.iter().find(|(known, _)| known == key) else {
            let keys = METADATA.map(|(known, _)| known).join(", ");
            return Err(Error::invalid(format!("metadata '{key}' of column '{}' does not exist", field.name))
                .with_hint(format!("The provider 'openai' has: {keys}.")));
        };
        let ty = kind.ty();
        if field.ty != ty {
            return Err(Error::invalid(format!("column '{}' has type {}, and not {ty}", field.name, field.ty)));
        }
    }
    Ok(())
}

fn one_column(side: &str, columns: &[&flott_api::Field], ty: &LogicalType) -> Result<()> {
    let [column] = columns else {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        return Err(Error::invalid(format!("{side} of a model of provider 'openai' is one column of type {ty}"))
            .with_detail(format!("Here it is ({}).", names.join(", "))));
    };
    if column.ty == *ty {
        return Ok(());
    }
    let error = Error::invalid(format!("column '{}' of {side} has type {}, and not {ty}", column.name, column.ty));
    Err(error.with_detail("It is what the provider 'openai' takes at this endpoint."))
}
