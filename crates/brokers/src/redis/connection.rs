//! A connection, made when it is needed, and anew when it has failed.

use bytes::BytesMut;
use flott_api::env::Environment;
use flott_api::{Error, ErrorKind, Result};

use super::options::RedisOptions;
use super::resp::{Commands, Reply, take_reply};
use crate::access::Access;
use crate::link::{Link, is_passing, passing};

/// Before the first repetition; each further one waits as much longer.
const WAIT_MS: u64 = 1000;

/// See the module.
pub(super) struct Server {
    access: Access,
    database: u32,
    retries: u32,
    environment: Environment,
    link: Option<Link>,
}

impl Server {
    /// The server of a table; what fails is tried so often again.
    pub(super) fn new(options: &RedisOptions, retries: u32, environment: &Environment) -> Self {
        let (access, environment) = (options.access.clone(), environment.clone());
        Server { access, database: options.database, retries, environment, link: None }
    }

    /// Sends commands as they are, and takes as many replies; all of it again if that may help.
    ///
    /// # Errors
    /// The last one, or the first one that would not pass. What was sent may have been done.
    pub(super) async fn ask(&mut self, commands: &Commands) -> Result<Vec<Reply>> {
        let mut repetitions = 0;
        loop {
            match self.try_ask(commands).await {
                Ok(replies) => return Ok(replies),
                Err(e) if !is_passing(&e) || repetitions == self.retries => return Err(told(e, repetitions)),
                Err(e) => tracing::warn!(repetitions, "asking Redis again: {e}"),
            }
            repetitions += 1;
            self.environment.clock.sleep_ms(WAIT_MS * u64::from(repetitions)).await;
        }
    }

    async fn try_ask(&mut self, commands: &Commands) -> Result<Vec<Reply>> {
        // What is given up in the middle leaves no connection behind.
        let mut link = match self.link.take() {
            Some(link) => link,
            None => self.connect().await?,
        };
        let replies = exchange(&mut link, commands).await?;
        let failure = replies.iter().find_map(|reply| match reply {
            Reply::Error(text) => Some(refused(link.name(), text)),
            _ => None,
        });
        match failure {
            Some(e) => Err(e),
            None => {
                self.link = Some(link);
                Ok(replies)
            }
        }
    }

    async fn connect(&self) -> Result<Link> {
        let mut link = Link::open(&self.environment, &self.access).await?;
        if let Some(password) = &self.access.password {
            let mut commands = Commands::default();
            commands.argument(b"AUTH");
            if let Some(username) = &self.access.username {
                commands.argument(username.as_bytes());
            }
            commands.argument(password.reveal().as_bytes());
            commands.end();
            self.greet(&mut link, &commands).await?;
        }
        if self.database > 0 {
            let mut commands = Commands::default();
            commands.push(&[b"SELECT", self.database.to_string().as_bytes()]);
            self.greet(&mut link, &commands).await?;
        }
        Ok(link)
    }

    async fn greet(&self, link: &mut Link, commands: &Commands) -> Result<()> {
        match exchange(link, commands).await?.into_iter().next() {
            Some(Reply::Status(_)) => Ok(()),
            // Some versions repeat what they were sent, so of other errors only the first word is told.
            Some(Reply::Error(text)) => {
                let code = text.split(' ').next().unwrap_or_default();
                let message = match code {
                    "LOADING" => return Err(refused(link.name(), &text)),
                    "WRONGPASS" => format!("Redis at {} refuses the user or the password", link.name()),
                    _ if text.contains("DB index") => {
                        format!("Redis at {} has no database {}", link.name(), self.database)
                    }
                    _ => format!("Redis at {} does not let this job in ({code})", link.name()),
                };
                Err(Error::invalid(message).with_hint("Check options 'username', 'password' and 'database'."))
            }
            _ => Err(Error::external(format!("an answer of {} makes no sense", link.name()))),
        }
    }
}

async fn exchange(link: &mut Link, commands: &Commands) -> Result<Vec<Reply>> {
    link.write(&commands.bytes).await?;
    let mut replies = Vec::with_capacity(commands.count);
    while replies.len() < commands.count {
        match next(&mut link.received)? {
            Some(reply) => replies.push(reply),
            None => link.fill().await?,
        }
    }
    Ok(replies)
}

fn next(received: &mut BytesMut) -> Result<Option<Reply>> {
    take_reply(received)
}

/// The error for a reply that is one.
fn refused(name: &str, text: &str) -> Error {
    let code = text.split(' ').next().unwrap_or_default();
    let message = format!("Redis at {name} answers: {text}");
    match code {
        "LOADING" | "TRYAGAIN" | "READONLY" | "MASTERDOWN" | "BUSY" | "NOREPLICAS" => passing(message),
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => {
            Error::unsupported(format!("a cluster of Redis, which {name} is part of,"))
                .with_hint("Connector 'redis' speaks with one server that has all keys.")
        }
        "NOAUTH" => Error::invalid(message).with_hint("Set options 'username' and 'password'."),
        "NOPERM" => Error::invalid(message).with_hint("Give the user of this job the right to do it."),
        "WRONGTYPE" => Error::new(ErrorKind::External { retry: false }, message)
            .with_detail("A key of this table holds something else than option 'command' says."),
        _ => Error::new(ErrorKind::External { retry: false }, message),
    }
}

fn told(error: Error, repetitions: u32) -> Error {
    match repetitions {
        0 => error,
        1 => error.with_detail("It was tried once more."),
        n => error.with_detail(format!("It was tried {n} times more.")),
    }
}
