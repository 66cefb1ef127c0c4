//! A client for one context of one kubeconfig; where there is none, which of the many reasons it is.
use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::limit;
use crate::{Error, Result};

/// How long the API server may take to accept a connection and to answer the first question.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// A cluster's API, reached once.
#[derive(Clone)]
pub struct Connection {
    /// The client; it lives on the runtime that made it.
    pub client: Client,
    /// The kubeconfig's context, or `in-cluster`.
    pub context: String,
    /// The server's URL.
    pub server: String,
    /// `vMAJOR.MINOR.PATCH` of the API server.
    pub version: String,
}

/// Connects with `file` (else `$KUBECONFIG`, else `~/.kube/config`, else the service account of the pod this runs in) and
/// `context` (else the current one), and asks the server for its version.
///
/// # Errors
/// [`Error::Input`]: a kubeconfig that cannot be read or has no such context (the contexts are listed). [`Error::Missing`]:
/// no kubeconfig at all, a server that does not answer, or credentials it refuses.
pub async fn connect(file: Option<&Path>, context: Option<&str>) -> Result<Connection> {
    match load(file)? {
        Some((kubeconfig, origin)) => with(kubeconfig, &origin, context).await,
        None => finish(in_cluster(context)?, "in-cluster".to_owned()).await,
    }
}

/// As [`connect`], with a kubeconfig at hand; `origin` is what errors call it.
///
/// # Errors
/// As [`connect`].
pub async fn with(
    kubeconfig: Kubeconfig,
    origin: &str,
    context: Option<&str>,
) -> Result<Connection> {
    let name = chosen(&kubeconfig, context, origin)?;
    let options = KubeConfigOptions {
        context: Some(name.clone()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|e| Error::Input(format!("{origin}, context {name:?}: {}", causes(&e))))?;
    finish(config, name).await
}

async fn finish(mut config: Config, context: String) -> Result<Connection> {
    if config.cluster_url.host().is_some_and(is_loopback) {
        // kube 5.0.0 takes HTTPS_PROXY even where NO_PROXY excludes the host; no proxy reaches this machine's loopback.
        config.proxy_url = None;
    }
    config.connect_timeout = Some(ANSWERS_WITHIN);
    let server = config.cluster_url.to_string();
    let client = limit::client(config)
        .map_err(|e| Error::Input(format!("context {context:?}: {}", causes(&e))))?;
    let version = ask(&client, &context, &server).await?;
    Ok(Connection {
        client,
        context,
        server,
        version,
    })
}

/// The kubeconfig and how to call it in an error; nothing where none is to be found but a pod's service account is.
fn load(file: Option<&Path>) -> Result<Option<(Kubeconfig, String)>> {
    let bad = |origin: &str, e: KubeconfigError| {
        let why = match e {
            KubeconfigError::ReadConfig(cause, _) => cause.to_string(),
            // The first line says what and where; the others draw it.
            other => causes(&other).lines().next().unwrap_or_default().to_owned(),
        };
        Error::Input(format!(
            "kubeconfig {origin}: {why}; name a readable kubeconfig with --kubeconfig"
        ))
    };
    if let Some(path) = file {
        let origin = path.display().to_string();
        let kubeconfig = Kubeconfig::read_from(path).map_err(|e| bad(&origin, e))?;
        return Ok(Some((kubeconfig, format!("kubeconfig {origin}"))));
    }
    if std::env::var_os("KUBECONFIG").is_some_and(|v| !v.is_empty()) {
        let kubeconfig = Kubeconfig::from_env().map_err(|e| bad("$KUBECONFIG", e))?;
        if let Some(kubeconfig) = kubeconfig {
            return Ok(Some((kubeconfig, "kubeconfig $KUBECONFIG".to_owned())));
        }
    }
    let home = std::env::var_os("HOME").unwrap_or_default();
    let path = Path::new(&home).join(".kube/config");
    if path.is_file() {
        let kubeconfig = Kubeconfig::read_from(&path).map_err(|e| bad("~/.kube/config", e))?;
        return Ok(Some((kubeconfig, "kubeconfig ~/.kube/config".to_owned())));
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Ok(None);
    }
    Err(Error::Missing {
        what: "no kubeconfig: neither $KUBECONFIG nor ~/.kube/config is there".to_owned(),
        remedy: "name one with --kubeconfig FILE".to_owned(),
    })
}

fn chosen(kubeconfig: &Kubeconfig, context: Option<&str>, origin: &str) -> Result<String> {
    let known: Vec<&str> = kubeconfig
        .contexts
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    let listed = if known.is_empty() {
        "it has none".to_owned()
    } else {
        format!("it has {}", known.join(", "))
    };
    let name = context
        .or(kubeconfig.current_context.as_deref())
        .filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| {
        Error::Input(format!(
            "{origin}: no current context; choose one with --context ({listed})"
        ))
    })?;
    if known.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(Error::Input(format!(
            "{origin}: no context {name:?}; {listed}"
        )))
    }
}

fn in_cluster(context: Option<&str>) -> Result<Config> {
    if let Some(name) = context {
        return Err(Error::Input(format!(
            "--context {name}: there is no kubeconfig to look it up in; name one with --kubeconfig"
        )));
    }
    Config::incluster().map_err(|e| Error::Missing {
        what: format!("this pod's service account cannot be used: {}", causes(&e)),
        remedy: "mount its token, or name a kubeconfig with --kubeconfig".to_owned(),
    })
}

/// The server's version: shows that it answers and takes the credentials (`/version` alone needs no credentials).
async fn ask(client: &Client, context: &str, server: &str) -> Result<String> {
    let at = format!("the API server of context {context:?} at {server}");
    let silent = |why: String| Error::Missing {
        what: format!("{at} does not answer: {why}"),
        remedy: "check that the cluster is running and that this machine can reach it".to_owned(),
    };
    let questions = async {
        let version = client.apiserver_version().await?;
        client.list_core_api_versions().await?;
        Ok::<_, kube::Error>(version.git_version)
    };
    match tokio::time::timeout(ANSWERS_WITHIN, questions).await {
        Err(_) => Err(silent(format!("nothing within {ANSWERS_WITHIN:?}"))),
        Ok(Ok(version)) => Ok(version),
        Ok(Err(kube::Error::Api(status))) if status.code == 401 => Err(Error::Missing {
            what: format!("{at} refuses the credentials (401 Unauthorized)"),
            remedy: "they may have expired: renew them, or choose another user in the kubeconfig"
                .to_owned(),
        }),
        // Discovery is open to every authenticated user by default; a cluster that closes it still answered.
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => Ok("unknown".to_owned()),
        Ok(Err(e)) => Err(silent(causes(&e))),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// An error with its causes, each once: libraries often repeat a cause's words in their own.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(text: &str) -> Kubeconfig {
        Kubeconfig::from_yaml(text).unwrap()
    }

    #[test]
    fn an_unknown_context_is_reported_with_the_known_ones() {
        let config = kubeconfig(
            "contexts:\n- name: a\n  context: {cluster: c, user: u}\n- name: b\n  context: {cluster: c, user: u}\n",
        );
        let error = chosen(&config, Some("x"), "kubeconfig f").unwrap_err();
        assert_eq!(
            error.to_string(),
            "kubeconfig f: no context \"x\"; it has a, b"
        );
        let error = chosen(&config, None, "kubeconfig f").unwrap_err();
        assert!(error.to_string().contains("no current context"), "{error}");
        assert_eq!(chosen(&config, Some("b"), "f").unwrap(), "b");
    }

    #[test]
    fn loopback_is_known_in_every_spelling() {
        for host in ["localhost", "127.0.0.1", "[::1]", "127.1.2.3"] {
            assert!(is_loopback(host), "{host}");
        }
        assert!(!is_loopback("10.0.0.1"));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        // Port 1 of loopback: nothing listens, the kernel refuses at once.
        let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: c\n  cluster: {server: 'http://127.0.0.1:1'}\nusers:\n- name: u\n  user: {}\ncontexts:\n- name: c\n  context: {cluster: c, user: u}\n";
        std::fs::write(&file, text).unwrap();
        let error = connect(Some(&file), None).await.err().unwrap();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("does not answer"), "{error}");
        assert!(
            error.to_string().to_lowercase().contains("refused"),
            "{error}"
        );
    }
}
