//! Messages as people reported them.
use flatnet_model::cause::NotAProgram;
use rstest::rstest;

use super::*;

fn silent(addon: &str, resource: &'static str) -> Said {
    Said::AgentSilent {
        addon: addon.to_owned(),
        resource,
    }
}

fn none_in(directory: Option<&str>) -> Said {
    Said::NoConflist {
        directory: directory.map(str::to_owned),
    }
}

fn not_found(plugin: &str, path: &[&str]) -> Said {
    Said::PluginMissing {
        plugin: plugin.to_owned(),
        path: path.iter().map(|word| (*word).to_owned()).collect(),
    }
}

fn no_program(plugin: &str, how: NotAProgram) -> Said {
    Said::NotRunnable {
        plugin: plugin.to_owned(),
        how,
    }
}

/// Messages as people reported them, from several runtimes and years.
#[rstest]
#[case::weave_on_containerd(
    r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "3a05c1130abde21f375598b24d78be3e7b3090c56fe65bb2f5427d3d31de6a20": plugin type="weave-net" name="weave" failed (add): unable to allocate IP address: Post "http://127.0.0.1:6784/ip/3a05c1130abde21f375598b24d78be3e7b3090c56fe65bb2f5427d3d31de6a20": dial tcp 127.0.0.1:6784: connect: connection refused"#,
    silent("weave", "its agent on 127.0.0.1:6784")
)]
#[case::flannel_old(
    r#"failed to setup network for sandbox "1": plugin type="flannel" failed (add): loadFlannelSubnetEnv failed: open /run/flannel/subnet.env: no such file or directory"#,
    silent("flannel", "/run/flannel/subnet.env, which its agent writes")
)]
#[case::flannel_new(
    r#"failed to setup network for sandbox "1": plugin type="flannel" failed (add): failed to load flannel 'subnet.env' file: open /run/flannel/subnet.env: no such file or directory. Check the flannel pod log for this node."#,
    silent("flannel", "/run/flannel/subnet.env, which its agent writes")
)]
#[case::calico(
    r#"plugin type="calico" failed (add): stat /var/lib/calico/nodename: no such file or directory: check that the calico/node container is running and has mounted /var/lib/calico/"#,
    silent("calico", "/var/lib/calico/nodename, which its agent writes")
)]
#[case::cilium(
    r#"plugin type="cilium-cni" failed (add): unable to connect to Cilium agent: failed to create cilium agent client after 30.000000 seconds timeout: Get "http://localhost/v1/config": dial unix /var/run/cilium/cilium.sock: connect: no such file or directory"#,
    silent("cilium", "its agent's socket")
)]
#[case::another_agent(
    r#"plugin type="aws-cni" name="aws-cni" failed (add): add cmd: Error received from AddNetwork gRPC call: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:50051: connect: connection refused""#,
    silent("aws-cni", "its agent's socket")
)]
#[case::plugin_missing(
    r#"failed to setup network for sandbox "1": plugin type="weave-net" name="weave" failed (add): failed to find plugin "weave-net" in path [/opt/cni/bin]"#,
    not_found("weave-net", &["/opt/cni/bin"])
)]
#[case::host_local(
    r#"(combined from similar events): Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "9a1b": failed to allocate for range 0: no IP addresses available in range set: 10.1.56.1-10.1.56.254"#,
    Said::Exhausted
)]
#[case::flatnet(
    r#"plugin type="flatnet-cni" failed (add): no free addresses; no free addresses in 10.1.0.0/28 (13 reserved)"#,
    Said::Exhausted
)]
#[case::cilium_full(
    "networkPlugin cni failed to set up pod \"a_default\" network: unable to allocate IP via local cilium agent: [POST /ipam][502] postIpamFailure range is full",
    Said::Exhausted
)]
#[case::bridge_on_dockershim(
    r#"Failed create pod sandbox: rpc error: code = Unknown desc = failed to set up sandbox container "3603" network for pod "n": NetworkPlugin cni failed to set up pod "n_default" network: failed to set bridge addr: "cni0" already has an IP address different from 10.244.1.1/24"#,
    Said::StaleBridge { bridge: "cni0".to_owned(), wanted: "10.244.1.1/24".to_owned() }
)]
#[case::bridge_on_flannel(
    r#"plugin type="flannel" failed (add): failed to delegate add: failed to set bridge addr: "cni0" already has an IP address different from 10.244.2.1/24"#,
    Said::StaleBridge { bridge: "cni0".to_owned(), wanted: "10.244.2.1/24".to_owned() }
)]
#[case::version(
    r#"failed to setup network for sandbox "9268": plugin type="meshnet" name="meshnet" failed (add): incompatible CNI versions; config is "1.0.0", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0"]"#,
    Said::Version
)]
#[case::crio_has_none(
    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create pod network sandbox k8s_a_kube-system_94ed_0(35e3): cni config uninitialized",
    none_in(None)
)]
#[case::containerd_has_none(
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
    none_in(None)
)]
#[case::crio_condition(
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: No CNI configuration file in /etc/cni/net.d/. Has your network provider started?",
    none_in(Some("/etc/cni/net.d"))
)]
#[case::malformed(
    "Network plugin returns error: cni plugin not initialized: cni config load failed: failed to load CNI config list file /etc/cni/net.d/10-x.conflist: error parsing configuration: key must be a string at line 2 column 2",
    Said::Malformed
)]
#[case::loopback_missing(
    r#"failed to setup network for sandbox "1": plugin type="loopback" failed (add): failed to find plugin "loopback" in path [/opt/cni/bin]"#,
    not_found("loopback", &["/opt/cni/bin"])
)]
#[case::delete_without_its_plugin(
    r#"error killing pod: failed to "KillPodSandbox" for "9a5ea476" with KillPodSandboxError: "rpc error: code = Unknown desc = NetworkPlugin cni failed to teardown pod \"kube-dns_kube-system\" network: failed to find plugin \"portmap\" in path [/opt/flannel/bin /opt/cni/bin]""#,
    not_found("portmap", &["/opt/flannel/bin", "/opt/cni/bin"])
)]
#[case::empty_record(
    r#"error killing pod: failed to "KillPodSandbox" for "1b77" with KillPodSandboxError: "rpc error: code = Unknown desc = failed to destroy network for sandbox \"5bae\": failed to get network \"generic-veth\" cached result: decoding version from network config: unexpected end of JSON input""#,
    Said::BrokenRecord
)]
#[case::another_architecture(
    "Failed to setup network for pod \"hosta_default(4221)\" using network plugins \"cni\": fork/exec /opt/cni/bin/calico: exec format error; Skipping pod",
    no_program("calico", NotAProgram::Format)
)]
#[case::not_executable(
    r#"failed to setup network for sandbox "1": plugin type="flannel" failed (add): failed to delegate add: fork/exec /opt/cni/bin/bridge: permission denied"#,
    no_program("bridge", NotAProgram::Permission)
)]
#[case::without_its_loader(
    r#"failed to "SetupNetwork" for "kube-dns" with SetupNetworkError: "Failed to setup network for pod using network plugins \"kubenet\": Error adding container to network: fork/exec /opt/cni/bin/bridge: no such file or directory; Skipping pod""#,
    no_program("bridge", NotAProgram::Interpreter)
)]
#[case::in_the_labs_words(
    r#"failed to setup network for sandbox "1": plugin type="bridge" name="n" failed (add): fork/exec /opt/cni/bin/bridge: Exec format error (os error 8)"#,
    no_program("bridge", NotAProgram::Format)
)]
#[case::no_iptables(
    r#"error adding pod a_a to CNI network "podman": failed to locate iptables: exec: "iptables": executable file not found in $PATH"#,
    Said::ProgramMissing { program: "iptables".to_owned() }
)]
#[case::no_nft(
    r#"failed to setup network for sandbox "b2f9": plugin type="portmap" failed (add): could not find nftables binary: exec: "nft": executable file not found in $PATH"#,
    Said::ProgramMissing { program: "nft".to_owned() }
)]
#[case::a_containers_program_is_none_of_a_plugin(
    r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to start sandbox container task "1": failed to create shim task: OCI runtime create failed: exec: "/pause": executable file not found in $PATH: unknown"#,
    Said::Other
)]
#[case::calico_refused(
    r#"failed to setup network for sandbox "b638": plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized: Unauthorized"#,
    Said::Refused
)]
#[case::calico_refused_on_dockershim(
    r#"networkPlugin cni failed to set up pod "a_kube-system" network: error getting ClusterInformation: connection is unauthorized: Unauthorized, failed to clean up sandbox container "94c0" network for pod "a""#,
    Said::Refused
)]
#[case::without_the_right(
    r#"plugin type="consul-cni" name="consul-cni" failed (add): error retrieving pod: pods "a" is forbidden: User "system:serviceaccount:consul:consul-cni" cannot get resource "pods""#,
    Said::Refused
)]
#[case::an_image_that_is_refused_is_none_of_a_plugin(
    r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "k8s.gcr.io/pause:3.6": failed to pull image: pull access denied: unauthorized"#,
    Said::Other
)]
#[case::killed(
    r#"failed to destroy network for sandbox "1": plugin type="calico" failed (delete): netplugin failed with no error message: signal: killed"#,
    Said::Killed
)]
#[case::killed_when_its_time_was_up(
    r#"Error while adding pod to CNI network "multus-cni-network": netplugin failed with no error message: context deadline exceeded"#,
    Said::Killed
)]
#[case::no_address(
    r#"failed to setup network for sandbox "1": plugin type="bridge" failed (add): IPAM plugin returned missing IP config"#,
    Said::NoAddress
)]
#[case::an_empty_list_of_addresses(
    r#"failed to setup network for sandbox "1": failed to find network info for sandbox "1""#,
    Said::NoAddress
)]
#[case::no_range(
    r#"failed to setup network for sandbox "1": plugin type="bridge" failed (add): no IP ranges specified"#,
    Said::NoAddress
)]
#[case::a_list_in_a_conf(
    "cni config load failed: failed to load CNI config file /etc/cni/net.d/10-containerd-net.conf: error parsing configuration: missing 'type': invalid cni config: failed to load cni config",
    Said::Malformed
)]
#[case::no_name(
    r#"failed to setup network for sandbox "1": plugin type="loopback" failed (add): missing network name"#,
    Said::Malformed
)]
#[case::an_illegal_name(
    r#"failed to setup network for sandbox "1": plugin type="bridge" failed (add): invalid characters found in network name: my net"#,
    Said::Malformed
)]
#[case::a_byte_order_mark(
    "cni config load failed: failed to load CNI config list file /etc/cni/net.d/10-x.conflist: error parsing configuration list: invalid character 'ï' looking for beginning of value: invalid cni config: failed to load cni config",
    Said::Malformed
)]
#[case::no_plugin_name("Error adding network: no plugin name provided", Said::Malformed)]
#[case::no_version(
    r#"StopPodSandbox for "b" failed: failed to destroy network for sandbox "bbc8": invalid version "": the version is empty"#,
    Said::Version
)]
#[case::another_directory_on_containerd(
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni config load failed: no network config found in /etc/cni/test: cni plugin not initialized: failed to load cni config",
    none_in(Some("/etc/cni/test"))
)]
#[case::another_directory_on_crio(
    "Network plugin returns error: No CNI configuration file in /etc/kubernetes/cni/net.d/. Has your network provider started?",
    none_in(Some("/etc/kubernetes/cni/net.d"))
)]
#[case::no_valid_networks(
    "Unable to update cni config: No valid networks found in /etc/cni/net.d",
    none_in(Some("/etc/cni/net.d"))
)]
#[case::something_else(
    r#"failed to create pod network sandbox k8s_a_default_u_0(4338): error adding pod default_a to CNI network "k8s-pod-network": plugin type="calico" failed (add): pods "a" not found"#,
    Said::Other
)]
fn a_message_is_understood(#[case] message: &str, #[case] said: Said) {
    assert_eq!(read(message), said);
}

#[test]
fn the_plugins_own_words_are_taken_out() {
    let crio = r#"failed to create pod network sandbox k8s_a_0(4): error adding pod default_a to CNI network "n": plugin type="calico" failed (add): pods "a" not found"#;
    assert_eq!(core(crio), r#"pods "a" not found"#);
    assert_eq!(plugin(crio).as_deref(), Some("calico"));
    let old = r#"failed to setup network for sandbox "9a": no addresses"#;
    assert_eq!(core(old), "no addresses");
    let dockershim = r#"networkPlugin cni failed to set up pod "a_default" network: range is full"#;
    assert_eq!(core(dockershim), "range is full");
    assert_eq!(plugin(dockershim), None);
    assert_eq!(core("something"), "something");
}
