//! Requests as JSON.

use serde_json::{Value, json};

use super::options::{Chat, ModelOptions, Task};

/// What is sent for a text.
pub(super) fn body(options: &ModelOptions, text: &str) -> Value {
    match &options.task {
        Task::Chat(parameters) => chat(&options.model, parameters, text),
        Task::Embedding { dimension } => {
            let mut body = json!({"model": options.model, "input": text, "encoding_format": "float"});
            if let Some(dimension) = dimension {
                body["dimensions"] = json!(dimension);
            }
            body
        }
    }
}

fn chat(model: &str, chat: &Chat, text: &str) -> Value {
    let mut body = json!({
        "model": model,
        "messages": [{"role": "system", "content": chat.system_prompt}, {"role": "user", "content": text}],
    });
    let parameters = [
        ("temperature", chat.temperature.map(Value::from)),
        ("top_p", chat.top_p.map(Value::from)),
        ("stop", chat.stop.as_ref().map(|stop| json!(stop))),
        ("max_tokens", chat.max_tokens.map(Value::from)),
        ("presence_penalty", chat.presence_penalty.map(Value::from)),
        ("n", chat.n.map(Value::from)),
        ("seed", chat.seed.map(Value::from)),
        ("response_format", chat.response_format.map(|format| json!({"type": format}))),
    ];
    for (name, value) in parameters {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    body
}
