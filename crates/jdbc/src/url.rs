//! `jdbc:postgresql://host:port/database?key=value` and its like: which database, where, and how it is spoken to.

use flott_api::{Error, Result};

/// Whose database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brand {
    PostgreSql,
    MySql,
    MariaDb,
    Sqlite,
}

/// A brand with its names: in a URL, its port, and the classes of its drivers.
struct Known {
    brand: Brand,
    scheme: &'static str,
    port: u16,
    drivers: &'static [&'static str],
}

const MYSQL_DRIVERS: &[&str] = &["com.mysql.cj.jdbc.Driver", "com.mysql.jdbc.Driver", "org.mariadb.jdbc.Driver"];
const KNOWN: [Known; 4] = [
    Known { brand: Brand::PostgreSql, scheme: "postgresql", port: 5432, drivers: &["org.postgresql.Driver"] },
    Known { brand: Brand::MySql, scheme: "mysql", port: 3306, drivers: MYSQL_DRIVERS },
    Known { brand: Brand::MariaDb, scheme: "mariadb", port: 3306, drivers: MYSQL_DRIVERS },
    Known { brand: Brand::Sqlite, scheme: "sqlite", port: 0, drivers: &["org.sqlite.JDBC"] },
];

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JdbcUrl {
    pub(crate) brand: Brand,
    /// Servers that are tried in turn.
    pub(crate) hosts: Vec<(String, u16)>,
    /// The database, or the file.
    pub(crate) database: String,
    /// What stands behind the question mark.
    pub(crate) parameters: Vec<(String, String)>,
}

impl JdbcUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// If it is none, names a database that is not known, or holds a secret.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid("option 'url' is no JDBC URL of a database that is known").with_hint(
                "Write 'jdbc:postgresql://host:5432/database', 'jdbc:mysql://..', 'jdbc:mariadb://..' or 'jdbc:sqlite:file'.",
            )
        };
        let (scheme, rest) = text.trim().strip_prefix("jdbc:").and_then(|t| t.split_once(':')).ok_or_else(wrong)?;
        let known = KNOWN.iter().find(|k| k.scheme == scheme).ok_or_else(wrong)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters = query.split('&').filter(|p| !p.is_empty());
        let parameters = parameters.map(|p| p.split_once('=').unwrap_or((p, "")));
        let parameters: Vec<(String, String)> = parameters.map(|(k, v)| (unescaped(k), unescaped(v))).collect();
        let secret = |key: &str| {
            let key = key.to_ascii_lowercase();
            key == "user" || ["password", "secret", "token"].iter().any(|part| key.contains(part))
        };
        if let Some((key, _)) = parameters.iter().find(|(key, _)| secret(key)) {
            let option = if key.eq_ignore_ascii_case("user") { "username" } else { "password" };
            return Err(Error::invalid(format!("option 'url' has the parameter '{key}'"))
                .with_hint(format!("Take the option '{option}': a URL is shown in plans and messages.")));
        }
        if known.brand == Brand::Sqlite {
            return Ok(JdbcUrl { brand: known.brand, hosts: Vec::new(), database: rest.to_owned(), parameters });
        }
        let Some(rest) = rest.strip_prefix("//") else {
            let hosts = vec![("localhost".to_owned(), known.port)];
            return Ok(JdbcUrl { brand: known.brand, hosts, database: unescaped(rest), parameters });
        };
        // A password may have a slash in it.
        if rest.contains('@') {
            return Err(Error::invalid("option 'url' names a user")
                .with_hint("Take the options 'username' and 'password': a URL is shown in plans and messages."));
        }
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts = hosts.split(',').map(|h| host(h, known.port).ok_or_else(wrong)).collect::<Result<_>>()?;
        Ok(JdbcUrl { brand: known.brand, hosts, database: unescaped(database), parameters })
    }

    /// Checks that a class is a driver of this database.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) fn check_driver(&self, class: &str) -> Result<()> {
        let drivers = KNOWN.iter().find(|k| k.brand == self.brand).map_or(&[][..], |k| k.drivers);
        if drivers.contains(&class) {
            return Ok(());
        }
        Err(Error::invalid(format!("option 'driver' has the value '{class}', which is no driver for {}", self.place()))
            .with_detail(format!(
                "No class is loaded; what Flink's tables name here is accepted: {}.",
                drivers.join(", ")
            )))
    }

    /// What it names, for messages.
    pub(crate) fn place(&self) -> String {
        let scheme = KNOWN.iter().find(|k| k.brand == self.brand).map_or("", |k| k.scheme);
        let hosts: Vec<String> = self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        match self.brand {
            Brand::Sqlite => format!("{scheme}:{}", self.database),
            _ => format!("{scheme}://{}/{}", hosts.join(","), self.database),
        }
    }
}

impl JdbcUrl {
    /// The URL of a server as it is written.
    pub(crate) fn text(&self) -> String {
        let scheme = KNOWN.iter().find(|k| k.brand == self.brand).map_or("", |k| k.scheme);
        let host = |(host, port): &(String, u16)| match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        let hosts: Vec<String> = self.hosts.iter().map(host).collect();
        let parameters: Vec<String> =
            self.parameters.iter().map(|(k, v)| format!("{}={}", escaped(k), escaped(v))).collect();
        let mark = if parameters.is_empty() { "" } else { "?" };
        format!("jdbc:{scheme}://{}/{}{mark}{}", hosts.join(","), escaped(&self.database), parameters.join("&"))
    }
}

/// With `%20` and its like for what means something in a URL.
fn escaped(text: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.~,:".contains(b);
    text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// `host`, `host:5432`, `[::1]:5432`.
fn host(text: &str, port: u16) -> Option<(String, u16)> {
    let (name, port_text) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']')?;
            (name, rest.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let port = port_text.map_or(Some(port), |p| p.parse().ok())?;
    let name = if name.is_empty() { "localhost" } else { name };
    Some((name.to_owned(), port))
}

/// Without `%20` and its like.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|c| std::str::from_utf8(c).ok()).and_then(|c| u8::from_str_radix(c, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match JdbcUrl::parse(text) {
            Ok(url) => format!("{} {:?}", url.place(), url.parameters),
            Err(e) => format!("{} ({})", e.message(), e.hint().unwrap_or_default()),
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        assert_eq!(parsed("jdbc:postgresql://h/db"), "postgresql://h:5432/db []");
        assert_eq!(parsed("jdbc:postgresql:db"), "postgresql://localhost:5432/db []");
        assert_eq!(
            parsed("jdbc:postgresql://a:1,[::1]:2/d%20b?sslmode=require"),
            "postgresql://a:1,::1:2/d b [(\"sslmode\", \"require\")]"
        );
        let text = "jdbc:postgresql://a:1,[::1]:2/d%20b?sslmode=require";
        assert_eq!(JdbcUrl::parse(text).unwrap().text(), text);
        assert_eq!(parsed("jdbc:mysql://h:3307/"), "mysql://h:3307/ []");
        assert_eq!(parsed("jdbc:sqlite:/tmp/a.db"), "sqlite:/tmp/a.db []");
    }

    #[test]
    fn secrets_and_unknown_databases_are_refused() {
        for url in ["postgresql://h/db", "jdbc:oracle:thin:@h", "jdbc:postgresql://h:x/db", ""] {
            assert!(parsed(url).starts_with("option 'url' is no JDBC URL"), "{url}: {}", parsed(url));
        }
        let urls = [
            "jdbc:postgresql://h/db?password=hush",
            "jdbc:postgresql://h/db?sslPassword=hush",
            "jdbc:mysql://u:hush@h/db",
            "jdbc:mysql://u:a/hush@h/db",
        ];
        for url in urls {
            let message = parsed(url);
            assert!(message.contains("'password'") && !message.contains("hush"), "{message}");
        }
    }

    #[test]
    fn drivers_must_fit() {
        let url = JdbcUrl::parse("jdbc:mysql://h/db").unwrap();
        url.check_driver("com.mysql.cj.jdbc.Driver").unwrap();
        assert!(url.check_driver("org.postgresql.Driver").is_err());
    }
}
