//! States of what has to be there before a pod runs.
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What a pod needs to come to run, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "id", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "`words` says each")]
pub enum Start {
    // CNI configuration.
    OneConflist,
    NoConflist {
        files: Vec<String>,
        not_ready: Option<String>,
    },
    NotSaid,
    Used {
        file: String,
        shadowed: Vec<String>,
        whole: Option<String>,
    },
    Conflist,
    EveryPlugin,
    Programs {
        programs: Vec<String>,
    },
    NotFound,
    Network {
        file: String,
        name: String,
        plugins: Vec<String>,
        other_nodes: Option<usize>,
    },
    TakenUp,
    NotTakenUp {
        path: String,
        said: String,
    },
    SpokenVersion {
        newest: String,
    },
    Versions {
        versions: Vec<String>,
        said: Option<String>,
    },
    PluginSpeaks {
        plugin: String,
        versions: Vec<String>,
    },

    RuntimeLooksIn {
        directory: String,
        setting: String,
    },
    RunnablePlugin,
    PluginAnswers,
    ProgramInstalled {
        program: String,
    },
    CredentialsAccepted,
    AddressGiven,
    NetworkRemoved,
    Record {
        path: String,
        empty: bool,
    },
    ReservationsHeld {
        network: String,
    },
    Reserved {
        reserved: usize,
        pods: usize,
        unheld: Vec<IpAddr>,
    },

    // What keeps pods from running.
    NodeExists,
    PinnedTo {
        node: String,
        nodes: Vec<String>,
    },
    NodeFits {
        node: Option<String>,
    },
    Ready,
    ReadyIs {
        status: String,
        reason: String,
        message: String,
        kubelet: Option<String>,
    },
    RangeAssigned,
    Ranges {
        ranges: Vec<IpNet>,
        others: Vec<IpNet>,
    },
    FreeAddress {
        ranges: Vec<IpNet>,
    },
    Exhausted {
        said: String,
        pods: usize,
        node: String,
        reservations: Vec<(String, usize)>,
    },
    GatewayOn {
        address: String,
        device: String,
    },
    BridgeHolds {
        device: String,
        addresses: Option<Vec<IpNet>>,
        ranges: Vec<IpNet>,
    },
    Sandbox,
    AgentWorks,
    AgentStatus {
        status: String,
        last_words: Option<String>,
    },
    AgentOnEachNode,
    SetHasNoPod {
        set: String,
        node: String,
    },
    NotStarted {
        node: String,
    },
    NoDaemonSet,
    PluginSeeks {
        resource: String,
    },
    PluginFinds {
        resource: String,
    },
    ObjectThere {
        object: Option<(String, String, String)>,
    },
    ImageThere,
    Waiting {
        reason: String,
        said: String,
    },
    RunnableCommand,
    ExitCode {
        code: i32,
        last_words: Option<String>,
    },
    AContainer,
    Lasts,
    Ended {
        command: Vec<String>,
        code: i32,
        restarts: usize,
        last_words: Option<String>,
    },
    ProbesSucceed,
}
