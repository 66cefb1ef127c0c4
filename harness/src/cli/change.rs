//! `flatnet change`: another configuration for a cluster that runs, under traffic.
use std::path::PathBuf;

use clap::Args;

use super::{Output, ShowArgs, Typed, output, progress};
use crate::change::{self, Order, text};
use crate::config::RunArgs;
use crate::session;
use crate::{Error, Result};

/// Options of `flatnet change`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  flatnet change --to flatnet,mtu=1400                              boot a lab, change it, say what happened, delete it\n  flatnet change --from flatnet,backend=vxlan --to flatnet,backend=routes --and-back\n  flatnet change --cluster demo --to flatnet,masquerade=off         change a running lab, and keep it\n  flatnet change --to ./my.conflist --to-cni-bin ./bin              replace the CNI\n  flatnet change --cluster demo --to flannel                        on a kind cluster: any CNI that --cni takes there, or a manifest\n\nOptions of a CNI follow its name, separated by commas:\n  flatnet         backend, bridge, cni-version, hairpin, masquerade, mtu, network, plugin (a program), port, portmap, vni\n  reference, FILE mtu\n  each of them    pod-cidr (two ranges with a + between), node-cidr-mask; all three on labs only, as plugin and portmap=on\n\nExit codes:\n  0  nothing broke on the way, and nothing is left behind\n  1  pods do not reach each other, a stream lost numbers or its connection, a check got worse, or something is left behind\n  2  wrong usage or input, or a configuration that the CNI refuses: the cluster has the first one then\n  3  something the run needs is missing\n  4  could not measure\n  130  interrupted; a change that was not complete is undone"
)]
pub(super) struct ChangeArgs {
    #[command(flatten)]
    run: RunArgs,

    /// Configuration that the cluster is to get: a CNI as --cni takes it, with options: NAME|FILE[,KEY=VALUE]...
    #[arg(long, value_name = "CNI", help_heading = "Change")]
    to: String,

    /// Configuration that it has before: a new lab is booted with it, a running one must have it [default: flatnet; with --cluster, what
    /// the cluster has]
    #[arg(long, value_name = "CNI", help_heading = "Change")]
    from: Option<String>,

    /// Directory with the plugins that the conflist of --to names [default: that of --cni-bin]
    #[arg(long, value_name = "DIR", help_heading = "Change")]
    to_cni_bin: Option<PathBuf>,

    /// Change back afterwards, and say the same of that
    #[arg(long, help_heading = "Change")]
    and_back: bool,

    /// Make the change on a cluster that flatnet did not boot (--provider kubeconfig): it may cut the network of every pod there
    #[arg(long, help_heading = "Change")]
    disruptive: bool,

    #[command(flatten)]
    show: ShowArgs,
}

pub(super) fn run(args: ChangeArgs, typed: &Typed) -> Result<u8> {
    let mut run = args.run;
    run.settle(|option| typed.is(option));
    let order = Order {
        run,
        to: args.to,
        from: args.from,
        to_cni_bin: args.to_cni_bin,
        and_back: args.and_back,
        disruptive: args.disruptive,
    };
    let (observer, _) = progress::observer(args.show.quiet);
    let report = session::run(change::conduct(order, observer))?;
    let printed = match args.show.output {
        Output::Json => {
            let json = serde_json::to_string_pretty(&report);
            output::print_line(json.map_err(|e| Error::failed("write JSON", e))?)
        }
        Output::Text => output::print(text::render(&report)),
    };
    Ok(output::delivered(report.exit_code(), [printed]))
}
