//! Asking again, over a new connection, when an error says that this may help.

use flott_api::env::Environment;
use flott_api::{Error, ErrorKind, Result};

use crate::dialect::{Connection, Dialect};
use crate::options::Access;

/// Before the first repetition; each further one waits as much longer, as in Flink.
const WAIT_MS: u64 = 1000;

/// A connection that is made when it is needed, and made anew when it has failed.
pub(crate) struct Lasting {
    dialect: &'static dyn Dialect,
    access: Access,
    environment: Environment,
    retries: u32,
    connection: Option<Box<dyn Connection>>,
}

/// What is done over a connection, as often as it takes.
#[async_trait::async_trait]
pub(crate) trait Attempt: Send {
    /// What comes of it.
    type Output: Send;

    /// One try. Everything that an earlier one has begun is gone with its connection.
    async fn attempt(&mut self, connection: &mut dyn Connection) -> Result<Self::Output>;
}

impl Lasting {
    /// A connection that is tried so often again.
    pub(crate) fn new(dialect: &'static dyn Dialect, access: &Access, environment: &Environment, retries: u32) -> Self {
        Lasting { dialect, access: access.clone(), environment: environment.clone(), retries, connection: None }
    }

    /// Does something, again and again while it may help.
    ///
    /// # Errors
    /// The last one, if there were too many or none of them would pass.
    pub(crate) async fn run<A: Attempt>(&mut self, what: &mut A) -> Result<A::Output> {
        let mut repetitions = 0;
        loop {
            // What has failed, or is given up by whoever waits for it, leaves no connection behind in the middle of something.
            let error = match self.take().await {
                Ok(mut connection) => match what.attempt(&mut *connection).await {
                    Ok(output) => {
                        self.connection = Some(connection);
                        return Ok(output);
                    }
                    Err(e) => e,
                },
                Err(e) => e,
            };
            if error.kind() != (ErrorKind::External { retry: true }) || repetitions == self.retries {
                return Err(told(error, repetitions));
            }
            repetitions += 1;
            tracing::warn!(repetitions, "asking a database again: {error}");
            self.environment.clock.sleep_ms(WAIT_MS * u64::from(repetitions)).await;
        }
    }

    async fn take(&mut self) -> Result<Box<dyn Connection>> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.dialect.connect(&self.access, &self.environment).await,
        }
    }
}

fn told(error: Error, repetitions: u32) -> Error {
    match repetitions {
        0 => error,
        1 => error.with_detail("It was tried once more."),
        n => error.with_detail(format!("It was tried {n} times more.")),
    }
}
