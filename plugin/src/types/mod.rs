//! The protocol's types: configuration in, result or error object out.
mod config;
mod plan;
mod result;

pub(crate) use crate::version::Command;
pub(crate) use config::{NetConf, read};
pub(crate) use plan::{Plan, PodRoute};
pub(crate) use result::{Interface, Ip, Success, failure, versions};
